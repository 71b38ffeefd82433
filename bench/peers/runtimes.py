# SPDX-License-Identifier: MIT
"""The peers: for each, the settings that are worth trying and how a network is opened with one.

SETTINGS[peer](precision) lists settings as dictionaries that JSON can carry; an empty list: the peer
lacks that precision on this CPU. OPEN[peer](job) returns an object with
    frames          how many frames one run takes
    run()           runs the network on the job's frame, `frames` times
    output()        the first result of the last run, float32 [3, scale H, scale W]
    profile()       text: where the time goes, or an empty string
A job has `precision`, `setting`, `threads`, `width`, `height`, `frame` (float32 [1, 3, H, W]), `model`
(path of the model file) and `files` (paths of what network_files.py wrote).
Nothing is imported before it is needed: a peer that is not installed must not stop the others.
"""

import pathlib
import sys

import numpy

ROOT = pathlib.Path(__file__).resolve().parents[2]


def cpu_has(flag):
    try:
        with open("/proc/cpuinfo", encoding="ascii") as file:
            return any(flag in line.split() for line in file if line.startswith("flags"))
    except OSError:
        return False


# ---------------------------------------------------------------------------------------------- OpenVINO


def _openvino_settings(precision):
    hints = ("LATENCY", "THROUGHPUT")
    if precision != "int8":
        return [{"hint": hint, "real": {"fp32": "f32", "bf16": "bf16"}[precision]} for hint in hints]
    # What is not in bytes may be in bf16 where the CPU has it.
    reals = ("f32", "bf16") if cpu_has("avx512_bf16") or cpu_has("amx_bf16") else ("f32",)
    return [
        {"hint": hint, "real": real, "coded": coded} for hint in hints for coded in ("trunk", "inputs") for real in reals
    ]


class OpenVino:
    def __init__(self, job):
        import openvino

        core = openvino.Core()
        setting = job["setting"]
        self.compiled = core.compile_model(
            core.read_model(job["files"][setting.get("coded", "float")]),
            "CPU",
            {
                "PERFORMANCE_HINT": setting["hint"],
                "INFERENCE_PRECISION_HINT": setting["real"],
                "INFERENCE_NUM_THREADS": job["threads"],
                "PERF_COUNT": bool(job.get("profile")),
            },
        )
        self.frames = 1
        if setting["hint"] == "THROUGHPUT":
            self.frames = self.compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")
        self.requests = [self.compiled.create_infer_request() for _ in range(self.frames)]
        for request in self.requests:
            request.set_input_tensor(openvino.Tensor(job["frame"].copy()))

    def run(self):
        for request in self.requests:
            request.start_async()
        for request in self.requests:
            request.wait()

    def output(self):
        return self.requests[0].get_output_tensor().data[0]

    def profile(self):
        rows = self.requests[0].get_profiling_info()
        return "\n".join(
            f"{row.real_time.total_seconds() * 1e3:9.2f} ms  {row.node_type:20} {row.exec_type:34} {row.node_name}"
            for row in rows
            if row.real_time.total_seconds() > 0
        )


# ------------------------------------------------------------------------------------------ ONNX Runtime


def _onnxruntime_settings(precision):
    if precision == "bf16":
        return []  # its CPU provider has bf16 products on 64-bit Arm only
    # Its int8 operators take bytes and give bytes: whatever is not coded runs in float, many times slower.
    return [{"coded": "everything"}] if precision == "int8" else [{}]


class OnnxRuntime:
    frames = 1

    def __init__(self, job):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = job["threads"]
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.enable_profiling = bool(job.get("profile"))
        if options.enable_profiling:
            options.profile_file_prefix = job["profile"]
        path = job["files"][job["setting"].get("coded", "float")]
        self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.frame = job["frame"]

    def run(self):
        self.result = self.session.run(None, {"x": self.frame})[0]

    def output(self):
        return self.result[0]

    def profile(self):
        import json

        with open(self.session.end_profiling(), encoding="utf-8") as file:
            events = [event for event in json.load(file) if event.get("cat") == "Node" and event.get("dur")]
        last = {event["name"]: event for event in events}
        return "\n".join(
            f"{event['dur'] / 1e3:9.2f} ms  {event['args'].get('op_name', ''):20} {name}" for name, event in last.items()
        )


# -------------------------------------------------------------------------------------------------- ncnn


# Which Winograd transforms it may use; "any" leaves the choice to it.
_NCNN_WINOGRAD = {"any": (23, 43, 63), "F(4,3)": (43,), "off": ()}


def _ncnn_settings(precision):
    # Without Winograd its fp32 takes several times as long.
    return [{"winograd": name} for name in _NCNN_WINOGRAD if precision != "fp32" or name != "off"]


class Ncnn:
    frames = 1

    def __init__(self, job):
        import ncnn

        self.ncnn = ncnn
        self.net = ncnn.Net()
        options = self.net.opt
        options.num_threads = job["threads"]
        options.use_bf16_storage = options.use_bf16_packed = job["precision"] == "bf16"
        options.use_fp16_packed = options.use_fp16_storage = options.use_fp16_arithmetic = False
        options.use_int8_inference = job["precision"] == "int8"
        transforms = _NCNN_WINOGRAD[job["setting"]["winograd"]]
        options.use_winograd_convolution = bool(transforms)
        for transform in (23, 43, 63):
            setattr(options, f"use_winograd{transform}_convolution", transform in transforms)
        options.use_packing_layout = True
        files = job["files"]["ncnn-int8" if job["precision"] == "int8" else "ncnn"]
        if self.net.load_param(files[0]) or self.net.load_model(files[1]):
            raise RuntimeError("ncnn does not load the network that was written for it")
        self.frame = ncnn.Mat(job["frame"][0]).clone()

    def run(self):
        extractor = self.net.create_extractor()
        extractor.input("x", self.frame)
        status, self.result = extractor.extract("out")
        if status:
            raise MemoryError(f"ncnn ended with {status}")

    def output(self):
        return numpy.array(self.result)

    def profile(self):
        return ""


# ----------------------------------------------------------------------------------------------- PyTorch


def _torch_settings(precision):
    if precision == "int8":
        return []  # needs another package for the conversion, which the comparison leaves out
    return [{"mode": mode} for mode in ("eager", "frozen", "compiled")]


class Torch:
    frames = 1

    def __init__(self, job):
        import torch

        sys.path[:0] = [str(ROOT / "training"), str(ROOT / "python")]
        from network import PiperSR
        from pipersr_export import model as model_file

        torch.set_num_threads(job["threads"])
        source = model_file.load(job["model"])
        network = PiperSR(source.channels, len(source.blocks), source.scale)
        state = {f"{name}.{part}": torch.tensor(getattr(conv, part)) for name, conv in source.convs() for part in ("weight", "bias")}
        network.load_state_dict(state)
        real = {"fp32": torch.float32, "bf16": torch.bfloat16}[job["precision"]]
        self.torch, self.real = torch, real
        self.frame = torch.from_numpy(job["frame"]).to(real).to(memory_format=torch.channels_last)
        with torch.inference_mode():
            self.network = self._prepare(network.eval().to(real).to(memory_format=torch.channels_last), job["setting"]["mode"])

    def _prepare(self, network, mode):
        torch = self.torch
        if mode == "frozen":
            with torch.no_grad():
                traced = torch.jit.freeze(torch.jit.trace(network, self.frame, check_trace=False))
                return torch.jit.optimize_for_inference(traced)
        if mode == "compiled":
            import torch._inductor.config

            torch._inductor.config.freezing = True
            return torch.compile(network)
        return network

    def run(self):
        with self.torch.no_grad():
            self.result = self.network(self.frame).clamp(0, 1)

    def output(self):
        return self.result[0].float().contiguous().numpy()

    def profile(self):
        with self.torch.profiler.profile() as profiler:
            self.run()
        return profiler.key_averages().table(sort_by="self_cpu_time_total", row_limit=12)


SETTINGS = {
    "openvino": _openvino_settings,
    "onnxruntime": _onnxruntime_settings,
    "ncnn": _ncnn_settings,
    "torch": _torch_settings,
}
OPEN = {"openvino": OpenVino, "onnxruntime": OnnxRuntime, "ncnn": Ncnn, "torch": Torch}
