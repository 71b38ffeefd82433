"""What differs between a video and its enlargement beside the size, as lines of text."""

import collections
import functools
import re

from clip_tools import probe

TAGS_OF_THE_FILE = {"major_brand", "minor_version", "compatible_brands", "encoder", "duration", "creation_time",
                    "vendor_id", "handler_name", "alpha_mode", "software"}
# The names under which Matroska knows a cover are its own business.
TAGS_OF_COVERS = {"filename", "mimetype"}
TAGS_OF_THE_OLD_BYTES = re.compile(r"(BPS|NUMBER_OF_|_STATISTICS_).*", re.IGNORECASE)
PICTURE_KEYS = ("pix_fmt", "color_range", "color_space", "color_transfer", "color_primaries", "chroma_location",
                "sample_aspect_ratio")
STREAM_SIDE_DATA = ("Display Matrix", "Stereo 3D", "Spherical Mapping", "Mastering display metadata",
                    "Content light level metadata", "ICC Profile")
FRAME_SIDE_DATA = ("ATSC A53 Part 4 Closed Captions",)
MILLISECOND = 0.001 + 1e-6


class Facts:
    """All that ffprobe tells about a file; `shown`: the stream that is enlarged."""

    def __init__(self, path):
        found = probe(path, "-show_streams", "-show_format", "-show_chapters", "-show_packets", "-show_frames",
                      "-show_data_hash", "md5")
        self.format, self.streams, self.chapters = found["format"], found["streams"], found["chapters"]
        self.packets, self.frames = collections.defaultdict(list), collections.defaultdict(list)
        for entry in found["packets_and_frames"]:
            if entry["type"] != "subtitle":
                (self.packets if entry["type"] == "packet" else self.frames)[entry["stream_index"]].append(entry)
        moving = [s for s in self.streams if s["codec_type"] == "video" and not s["disposition"]["attached_pic"]]
        self.shown = max(moving, key=lambda s: s["width"] * s["height"])

    def times(self, stream):
        """Of the decoded frames, in seconds. One that a file leaves out is where the frame before it ends."""
        times = []
        for frame in self.frames[stream["index"]]:
            end = times[-1] + float(frame.get("pkt_duration_time", 0)) if times else 0.0
            times.append(float(frame.get("best_effort_timestamp_time", end)))
        return times

    def heard(self, stream):
        """Start and end of the decoded sound."""
        frames, times = self.frames[stream["index"]], self.times(stream)
        return (times[0], times[-1] + frames[-1]["nb_samples"] / int(stream["sample_rate"])) if times else None

    def tick(self, stream):
        numerator, denominator = map(int, stream["time_base"].split("/"))
        return numerator / denominator


def tags_of(thing):
    tags = {key.lower(): value for key, value in thing.get("tags", {}).items()
            if not TAGS_OF_THE_OLD_BYTES.fullmatch(key)}
    if tags.get("language") == "und":
        del tags["language"]
    return {key: value for key, value in tags.items() if key not in TAGS_OF_THE_FILE}


def side_data_of(thing, kinds):
    found = {entry["side_data_type"]: {k: v for k, v in entry.items() if k != "displaymatrix"}
             for entry in thing.get("side_data_list", [])}
    return {kind: found[kind] for kind in kinds if kind in found}


def dispositions(stream):
    return sorted(name for name, value in stream["disposition"].items() if value)


def compare_tags(what, old, new):
    covers = old.get("disposition", {}).get("attached_pic")
    old, new = tags_of(old), tags_of(new)
    for key in sorted(old.keys() | new.keys()):
        if old.get(key) != new.get(key) and not (covers and key in TAGS_OF_COVERS):
            yield f"{what}: tag {key} {old.get(key)!r} became {new.get(key)!r}"


def compare_dispositions(what, old, new):
    if dispositions(old) != dispositions(new):
        yield f"{what}: dispositions {dispositions(old)} became {dispositions(new)}"


def picture_facts(facts):
    """What players know of the picture's samples: from its frames, else from the container, else by default."""
    frame, stream = facts.frames[facts.shown["index"]][0], facts.shown
    defaults = {"color_range": "tv", "chroma_location": "left", "sample_aspect_ratio": "1:1"}
    known = {}
    for key in PICTURE_KEYS:
        values = [thing[key] for thing in (frame, stream) if thing.get(key, "unknown") not in ("unknown", "unspecified")]
        known[key] = values[0] if values else defaults.get(key)
    return known


def compare_picture(a, b, scale):
    old, new = a.shown, b.shown
    if (new["width"], new["height"]) != (scale * old["width"], scale * old["height"]):
        yield f"picture: {old['width']}x{old['height']} became {new['width']}x{new['height']}"
    known = picture_facts(a), picture_facts(b)
    for key in PICTURE_KEYS:
        if known[0][key] != known[1][key]:
            yield f"picture: {key} {known[0][key]} became {known[1][key]}"
    for kind in STREAM_SIDE_DATA:
        if side_data_of(old, (kind,)) != side_data_of(new, (kind,)):
            yield f"picture: {kind} {side_data_of(old, (kind,))} became {side_data_of(new, (kind,))}"
    old_frames, new_frames = a.frames[old["index"]], b.frames[new["index"]]
    if len(old_frames) != len(new_frames):
        yield f"picture: {len(old_frames)} frames became {len(new_frames)}"
    for kind in FRAME_SIDE_DATA:
        counts = [sum(kind in side_data_of(frame, (kind,)) for frame in frames) for frames in (old_frames, new_frames)]
        if counts[0] != counts[1]:
            yield f"picture: {kind} on {counts[0]} frames became {counts[1]}"
    fields = [sum(frame.get("interlaced_frame", 0) for frame in frames) for frames in (old_frames, new_frames)]
    if fields[0] != fields[1]:
        yield f"picture: {fields[0]} interlaced frames became {fields[1]}"
    yield from compare_tags("picture", old, new)


def compare_times(a, b):
    """Times of the frames, but for one shift of the whole file."""
    old, new = a.times(a.shown), b.times(b.shown)
    shift = new[0] - old[0]
    if abs(shift) > MILLISECOND:
        yield f"times: all shifted by {shift:.3f} s"
    if len(old) != len(new):
        return
    tolerance = (a.tick(a.shown) + b.tick(b.shown)) / 2 + 2e-6
    worst = max(abs(y - x - shift) for x, y in zip(old, new))
    if worst > tolerance:
        yield f"times: frames off by up to {worst:.6f} s: {old} became {new}"
    both = [facts for facts in (a, b) if "mp4" in facts.format["format_name"]]
    lengths = [float(facts.shown["duration"]) for facts in both]
    if len(lengths) == 2 and abs(lengths[0] - lengths[1]) > MILLISECOND:
        yield f"times: picture lasts {lengths[0]:.4f} s, then {lengths[1]:.4f} s"


def compare_copied(what, a, old, b, new):
    """Packets are the same bytes; at the start some may be absent that the old file hides."""
    packets = a.packets[old["index"]], b.packets[new["index"]]
    n_absent = max(0, len(packets[0]) - len(packets[1]))
    if all("D" in p["flags"] for p in packets[0][:n_absent]):
        packets = packets[0][n_absent:], packets[1]
    if [p["data_hash"] for p in packets[0]] != [p["data_hash"] for p in packets[1]]:
        yield f"{what}: {len(packets[0])} packets became {len(packets[1])} others"
    elif packets[0] and not old["disposition"]["attached_pic"]:
        yield from compare_offsets(what, a, b, packets)
    yield from compare_tags(what, old, new)
    if old["codec_type"] == "audio" and old.get("codec_name") == new.get("codec_name"):
        yield from compare_heard(what, a, old, b, new)


def compare_offsets(what, a, b, packets):
    """How far the stream's first and last packet are from the picture, by the files' clocks."""
    pictures = [facts.times(facts.shown) for facts in (a, b)]
    for n, where in ((0, "start"), (-1, "end")):
        if all("pts_time" in p[n] for p in packets):
            distance = [float(p[n]["pts_time"]) - times[n] for p, times in zip(packets, pictures)]
            if abs(distance[1] - distance[0]) > MILLISECOND:
                yield f"{what}: {where} is {distance[0]:.4f} s from the picture's, then {distance[1]:.4f} s"


def compare_heard(what, a, old, b, new):
    """What a player lets hear: priming samples and hidden ones are not in it."""
    spans = a.heard(old), b.heard(new)
    if None not in spans:
        lengths = [end - start for start, end in spans]
        if abs(lengths[1] - lengths[0]) > MILLISECOND:
            yield f"{what}: {lengths[0]:.4f} s can be heard, then {lengths[1]:.4f} s"


def dropped_streams(notes):
    """Indices of the input's streams that the program says it left out."""
    return {int(n) for n in re.findall(r"stream (\d+) \([^)]*\) is dropped", notes)}


def is_made_again(stream):
    """Tracks of MP4 that hold its chapters and its time code."""
    return stream["codec_type"] == "data" and stream.get("codec_tag_string") in ("text", "tmcd")


def kind_of(facts, stream):
    if stream is facts.shown:
        return "picture"
    name = stream.get("codec_name", stream.get("codec_tag_string"))
    return {"mp2": "mp3"}.get(name, name)  # MP4 has one name for both


def compare_all_dispositions(a, old_streams, b, new_streams):
    """MP4 marks the first stream of each kind as the default one if none is marked; others mark none."""
    marked = {s["codec_type"] for s in old_streams if s["disposition"]["default"]}
    marks_none = not any(name in b.format["format_name"] for name in ("mp4", "matroska"))
    for old, new in zip(old_streams, new_streams):
        if old["codec_type"] not in marked and "mp4" in b.format["format_name"]:
            new["disposition"]["default"] = 0
        if marks_none:
            new["disposition"]["default"] = old["disposition"]["default"]
        yield from compare_dispositions(f"stream {old['index']} ({kind_of(a, old)})", old, new)


facts_of_source = functools.lru_cache(None)(Facts)


def differences(source, target, notes, scale=2):
    a, b = facts_of_source(source), Facts(target)
    yield from compare_picture(a, b, scale)
    yield from compare_times(a, b)
    dropped = dropped_streams(notes)
    old_streams = [s for s in a.streams if s["index"] not in dropped and not is_made_again(s)]
    new_streams = [s for s in b.streams if not is_made_again(s)]
    kinds = [[kind_of(facts, s) for s in streams] for facts, streams in ((a, old_streams), (b, new_streams))]
    if kinds[0] != kinds[1]:
        yield f"streams: {kinds[0]} became {kinds[1]}"
        return
    for old, new in zip(old_streams, new_streams):
        if old is not a.shown:
            yield from compare_copied(f"stream {old['index']} ({kind_of(a, old)})", a, old, b, new)
    yield from compare_all_dispositions(a, old_streams, b, new_streams)
    yield from compare_tags("file", a.format, b.format)
    chapters = [[(float(c["start_time"]), float(c["end_time"]), tags_of(c)) for c in facts.chapters] for facts in (a, b)]
    if chapters[0] != chapters[1]:
        yield f"chapters: {chapters[0]} became {chapters[1]}"
