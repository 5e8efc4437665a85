"""Pages, tables and figures of masks: clean, certified and attacked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lard import __version__
from lard.report.page import COLOURS, LINE, apart, figure, render_page, to_svg

MEASURES = (
    ("iou", "IoU of all runway pixels", "certified_iou"),
    ("picture_iou", "IoU, mean over pictures", "certified_picture_iou"),
    ("pixel_accuracy", "pixel accuracy", "certified_pixel_accuracy"),
    ("false_negative_rate", "share of runway pixels missed", "certified_false_negative_rate"),
    ("alarm_pixels_per_picture", "false pixels a picture", "fabricated_pixels_per_picture"),
)
"""Keys of clean and attacked pictures, what they are called, and the keys of certificates."""
PLOTTED = MEASURES[:2]


def segmentation_svg(models: Mapping[str, Mapping[str, Any]]) -> str:
    """IoU over the size of the change, all models on one plot: attacked drawn through, certified dashed."""
    with figure(9.6, 3.3) as fig:
        axes = fig.subplots(1, len(PLOTTED))
        apart(fig)
        for ax, (key, title, certified) in zip(axes, PLOTTED, strict=True):
            for (name, model), colour in zip(models.items(), COLOURS * 9, strict=False):
                clean = model["clean"][key]
                _line(ax, clean, model.get("attacked") or (), key, colour, "-", f"{name}, attacked")
                by_eps = (model.get("certified") or {}).get("by_eps", {})
                rows = [{"eps": float(eps), **row} for eps, row in by_eps.items()]
                _line(ax, clean, rows, certified, colour, (0, (4, 2)), f"{name}, certified")
            ax.set_title(title)
            ax.set_xlabel("eps, L2 norm of the change of the picture")
            ax.set_ylim(-0.02, 1.02)
            ax.set_xlim(left=0)
            ax.grid(color=LINE, lw=0.6)
            ax.tick_params(length=2)
        axes[-1].legend(frameon=False, fontsize=7)
        return to_svg(fig, "Masks under attack and certified, over the size of the change")


def _line(
    ax: Any,
    clean: float | None,
    rows: Sequence[Mapping[str, Any]],
    key: str,
    colour: str,
    style: Any,
    label: str,
) -> None:
    """One curve from the clean picture on; none where nothing was measured."""
    points = [(0.0, clean), *((float(row["eps"]), row[key]) for row in rows)]
    known = sorted((eps, value) for eps, value in points if value is not None)
    if rows and known:
        ax.plot(*zip(*known, strict=True), color=colour, lw=1.6, ls=style, marker="o", ms=3, label=label)


def segmentation_html(about: Mapping[str, Any], models: Mapping[str, Mapping[str, Any]]) -> str:
    """The page of one model's certificates, or of several under attack; `about` is what they share."""
    sizes = ", ".join(name.replace("x", " x ") + " px" for name in about["picture_sizes_px"])
    return render_page(
        "segmentation.html.j2",
        title="Runway masks",
        version=__version__,
        about=about,
        sizes=sizes,
        models=models,
        tables={name: tables_of(model) for name, model in models.items()},
        plot=segmentation_svg(models),
    )


def tables_of(model: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Tables of one model: measures over eps, clean measures by zone."""
    certified = (model.get("certified") or {}).get("by_eps", {})
    attacked = {f"{row['eps']:g}": row for row in model.get("attacked") or ()}
    sizes = sorted({*certified, *attacked}, key=float)
    columns = ["measure", "clean"]
    for eps in sizes:
        columns += [f"attacked, eps {eps}"] * (eps in attacked)
        columns += [f"certified, eps {eps}"] * (eps in certified)
    rows = []
    for key, title, name in MEASURES:
        row: list[Any] = [title, model["clean"][key]]
        for eps in sizes:
            row += [attacked[eps][key]] if eps in attacked else []
            row += [certified[eps][name]] if eps in certified else []
        rows.append(row)
    zones = [[zone, *(found[key] for key, _, _ in MEASURES)] for zone, found in model["by_zone"].items()]
    return [
        {"title": "Over the size of the change", "columns": columns, "rows": rows},
        {"title": "Clean, by zone", "columns": ["zone", *(title for _, title, _ in MEASURES)], "rows": zones},
    ]
