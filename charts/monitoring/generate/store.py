"""Store and backups: whether versions and journal have room, and a copy elsewhere."""

from charts.monitoring.generate.board import Board
from charts.monitoring.generate.panels import Bounds, Query, graph, number

OWN = 'namespace="$namespace"'
FREE, SIZE = (f'ml_geometry_volume_bytes{{{OWN}, kind="{kind}"}}' for kind in ("free", "size"))
SHARE = (
    f'ml_geometry_volume_bytes{{{OWN}, kind="free"}} / ignoring(kind) ml_geometry_volume_bytes{{{OWN}, kind="size"}}'
)
BACKUP = f"ml_geometry_backup_last_success_timestamp_seconds{{{OWN}}}"

NOW = (
    *(
        number(
            f"Free: {volume}",
            "Share of the volume.",
            Query(
                f'min(ml_geometry_volume_bytes{{{OWN}, volume="{volume}", kind="free"}}'
                f' / ignoring(kind) ml_geometry_volume_bytes{{{OWN}, volume="{volume}", kind="size"}})'
            ),
            unit="percentunit",
            bounds=Bounds(yellow=0.2, red=0.1, falling=True),
            width=6,
        )
        for volume in ("store", "journal")
    ),
    number(
        "Last backup",
        "How long ago one succeeded. Without any: no data.",
        Query(f"time() - max({BACKUP} > 0)"),
        unit="s",
        bounds=Bounds(yellow=86400, red=2 * 86400),
        width=6,
    ),
    number(
        "Backup wanted every",
        "By the policy. Without a wish: no data.",
        Query(f"max(ml_geometry_backup_interval_seconds{{{OWN}}} > 0)"),
        unit="s",
        width=6,
    ),
)

ROOM = (
    graph(
        "Free",
        "Share of each volume, of which a page is due below 10 %.",
        Query(SHARE, "{{volume}}"),
        Query("vector(0.1)", "bound"),
        unit="percentunit",
        maximum=1,
    ),
    graph(
        "Bytes",
        "What each volume holds and could hold.",
        Query(f"{SIZE} - ignoring(kind) {FREE}", "used {{volume}}"),
        Query(SIZE, "size {{volume}}"),
        unit="bytes",
    ),
    graph(
        "Free in four days",
        "If the last six hours go on.",
        Query(f"predict_linear({FREE}[6h], 4 * 86400)", "{{volume}}"),
        unit="bytes",
        floor=None,
    ),
    graph(
        "Age of the backup",
        "As a multiple of the interval that the policy wants; a page is due above 2.",
        Query(f"(time() - {BACKUP}) / (ml_geometry_backup_interval_seconds{{{OWN}}} > 0)", "age"),
        Query("vector(2)", "bound"),
    ),
)

STORE = Board(
    name="store",
    description="Room for versions and journal, and the age of the backup.",
    variables=("namespace",),
    rows={"Now": NOW, "Room and backups": ROOM},
)
