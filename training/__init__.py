"""Data, fit, evaluate, export, publish. The only package that imports TensorFlow."""
