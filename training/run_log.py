"""The log of a run: run.csv, a row for each validation, and run.svg, drawn from it."""

import csv
import pathlib

import whole_file

WIDTH, HEIGHT, MARGIN = 760, 320, 54
COLOURS = ("#1b6ca8", "#c0392b", "#2e8b57", "#8e44ad")
FIRST_COLUMNS = ["step", "seconds", "rate", "loss"]


class RunLog:
    def __init__(self, folder, resume_step=None):
        """A log that is resumed loses the rows after the step at which the run goes on."""
        self.csv, self.svg = pathlib.Path(folder) / "run.csv", pathlib.Path(folder) / "run.svg"
        self.rows = []
        if resume_step is not None and self.csv.is_file():
            with open(self.csv, newline="") as file:
                rows = [{k: float(v) for k, v in row.items() if v} for row in csv.DictReader(file)]
            self.rows = [row for row in rows if row["step"] <= resume_step]

    def add(self, **values):
        self.rows.append(values)
        names = FIRST_COLUMNS + sorted({k for row in self.rows for k in row} - set(FIRST_COLUMNS))
        with whole_file.written(self.csv, "w", newline="") as file:
            writer = csv.DictWriter(file, names, restval="")
            writer.writeheader()
            writer.writerows({k: round(v, 7) for k, v in row.items()} for row in self.rows)
        with whole_file.written(self.svg, "w") as file:
            file.write(draw(self.rows))


def _curve(points, low, high, last_step, colour):
    places = []
    for step, value in points:
        x = MARGIN + (WIDTH - 2 * MARGIN) * step / last_step
        y = HEIGHT - MARGIN - (HEIGHT - 2 * MARGIN) * (value - low) / (high - low)
        places.append(f"{x:.1f},{y:.1f}")
    return f'<polyline points="{" ".join(places)}" fill="none" stroke="{colour}" stroke-width="1.5"/>'


def _label(x, y, text, colour="#333", anchor="start"):
    return f'<text x="{x}" y="{y}" fill="{colour}" text-anchor="{anchor}">{text}</text>'


def draw(rows):
    """Validation PSNR over the steps, a curve for each kind of picture; the bicubic start is left out."""
    kinds = sorted({name for row in rows for name in row if name.startswith("psnr_")})
    curves = {k: [(row["step"], row[k]) for row in rows if k in row and row["step"] > 0] for k in kinds}
    values = [value for points in curves.values() for _, value in points]
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" font-family="sans-serif"'
        f' font-size="12"><rect width="100%" height="100%" fill="white"/>'
    ]
    if values:
        low, high = min(values) - 0.05, max(values) + 0.05
        last = max(row["step"] for row in rows)
        for i in range(5):
            value = low + (high - low) * i / 4
            y = HEIGHT - MARGIN - (HEIGHT - 2 * MARGIN) * i / 4
            parts.append(f'<line x1="{MARGIN}" x2="{WIDTH - MARGIN}" y1="{y}" y2="{y}" stroke="#ddd"/>')
            parts.append(_label(MARGIN - 6, y + 4, f"{value:.2f}", anchor="end"))
        for i in range(5):
            x = MARGIN + (WIDTH - 2 * MARGIN) * i / 4
            parts.append(_label(x, HEIGHT - MARGIN + 18, f"{last * i / 4:.0f}", anchor="middle"))
        parts.append(_label(WIDTH / 2, HEIGHT - 12, "steps", anchor="middle"))
        for i, (kind, points) in enumerate(curves.items()):
            colour = COLOURS[i % len(COLOURS)]
            parts.append(_curve(points, low, high, last, colour))
            best = max(value for _, value in points)
            text = f"{kind[5:]}: {points[-1][1]:.3f} dB, best {best:.3f}"
            parts.append(_label(MARGIN + 8 + 230 * i, 24, text, colour))
    return "\n".join([*parts, "</svg>\n"])
