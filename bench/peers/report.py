# SPDX-License-Identifier: MIT
"""What was measured as a Markdown table on standard output, as JSON, and as a plot."""

import importlib.metadata
import json
import pathlib

NAMES = {"openvino": "OpenVINO", "onnxruntime": "ONNX Runtime", "ncnn": "ncnn", "torch": "PyTorch"}


def size_text(size):
    return f"{size[0]}x{size[1]}"


def setting_text(setting):
    words = {True: "on", False: "off"}
    return ", ".join(f"{key} {words.get(value, value)}" for key, value in setting.items()) or "default"


def row_text(row):
    begin = f"{row['size']} {row['precision']} {row['peer']}"
    if "failure" in row:
        return f"{begin}: {row['failure']}"
    return f"{begin}: {row['peer_ms']:.0f} ms, pipersr {row['ours_ms']:.0f} ms, ratio {row['ratio']:.2f}"


def fastest(rows):
    """The row of the fastest peer for each size and precision."""
    best = {}
    for row in rows:
        key = row["size"], row["precision"]
        if "ratio" in row and (key not in best or row["ratio"] < best[key]["ratio"]):
            best[key] = row
    return list(best.values())


def version(peer):
    return f"{NAMES[peer]} {importlib.metadata.version(peer)}"


def table(rows):
    best = fastest(rows)
    lines = [
        "| input | precision | runtime | its setting | ms per frame | pipersr, ms | ratio | PSNR, dB | memory, MiB | pipersr, MiB |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        begin = [row["size"], row["precision"], NAMES[row["peer"]], setting_text(row["setting"])]
        if "failure" in row:
            cells = [*begin, row["failure"], "", "", "", "", ""]
        else:
            ratio = f"{row['ratio']:.2f}"
            cells = [
                *begin,
                f"{row['peer_ms']:,.0f}",
                f"{row['ours_ms']:,.0f}",
                f"**{ratio}**" if row in best else ratio,
                f"{row['psnr_db']:.1f}",
                f"{row['peak_mib']:,.0f}",
                f"{row['ours_peak_mib']:,.0f}",
            ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def plot(rows, path):
    """Ratio to the fastest peer by input size, a bar for each precision; false without matplotlib or rows."""
    if not fastest(rows):
        return False
    try:
        import matplotlib
    except ImportError:
        return False
    matplotlib.use("Agg")
    from matplotlib import pyplot

    best = fastest(rows)
    sizes = list(dict.fromkeys(row["size"] for row in best))
    figure, axes = pyplot.subplots(figsize=(8, 4.5), layout="constrained")
    precisions = list(dict.fromkeys(row["precision"] for row in best))
    width = 0.8 / max(1, len(precisions))
    for number, precision in enumerate(precisions):
        of_precision = [row for row in best if row["precision"] == precision]
        places = [sizes.index(row["size"]) + (number - (len(precisions) - 1) / 2) * width for row in of_precision]
        bars = axes.bar(places, [row["ratio"] for row in of_precision], width * 0.92, label=precision)
        axes.bar_label(bars, [f"{row['ratio']:.2f}\n{NAMES[row['peer']]}" for row in of_precision], fontsize=7)
    axes.axhline(1, color="black", linewidth=0.8)
    axes.set_xticks(range(len(sizes)), sizes)
    axes.set_xlabel("input")
    axes.set_ylabel("time of the fastest other runtime / time of pipersr")
    axes.margins(y=0.15)
    axes.legend()
    figure.savefig(path)
    pyplot.close(figure)
    return True


def cpu_name():
    with open("/proc/cpuinfo", encoding="ascii") as file:
        return next((line.partition(":")[2].strip() for line in file if line.startswith("model name")), "unknown")


def write(rows, our_psnr_db, options):
    folder = pathlib.Path(options.folder)
    peers = list(dict.fromkeys(row["peer"] for row in rows))
    versions = [version(peer) for peer in peers]
    result = {"cpu": cpu_name(), "threads": options.threads, "turns": options.turns, "frames": options.frames}
    result.update(versions=versions, our_psnr_db=our_psnr_db, rows=rows)
    (folder / "peers.json").write_text(json.dumps(result, indent=1) + "\n")
    has_plot = plot(rows, folder / "peers.svg")
    frames = options.turns * options.frames
    print(table(rows))
    print(f"\n{result['cpu']}, {options.threads} threads, {options.turns} turns, {frames} frames. {', '.join(versions)}.")
    print("Ratio: time of the runtime / time of pipersr in turns with it; in bold against the fastest.")
    ours = ", ".join(f"{precision} {value:.1f} dB" for precision, value in our_psnr_db.items() if precision != "fp32")
    print(f"PSNR: against pipersr's fp32 in 8 bits; pipersr itself has {ours or 'only fp32 here'}.")
    print(f"\n{folder / 'peers.json'}" + (f", {folder / 'peers.svg'}" if has_plot else " (no plot)"))
