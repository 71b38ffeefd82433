# SPDX-License-Identifier: MIT
"""A model as an ONNX file: fp32, fp16, or int8 as QuantizeLinear / DequantizeLinear around float operators.

Input "x" [1, 3, H, W] and output "out" [1, 3, scale H, scale W] are RGB in 0..1.

Tensors between: h.0 the head's output, a.N conv1's, s.N its sigmoid, m.N their product (SiLU), b.N
conv2's output, h.N+1 the trunk after block N, t the trunk with the long skip, y the tail's output.
"""

import numpy

from pipersr_export import onnx_protobuf

OPSET = 17  # QuantizeLinear with a scale a channel needs 13
IR_VERSION = 8


class _Graph:
    """Nodes in the order they run. Methods take names of tensors and return the name of their result."""

    def __init__(self, codings, code_where_made, real):
        self.codings, self.code_where_made, self.real = codings, code_where_made, real
        self.nodes, self.tensors = [], []

    def constant(self, name, values):
        self.tensors.append(onnx_protobuf.tensor(name, values))
        return name

    def add(self, operator, inputs, output, **attributes):
        self.nodes.append(onnx_protobuf.node(operator, f"{operator}:{output}", inputs, [output], attributes))
        return output

    def _code(self, name):
        """`name` as bytes and back, where there is a coding for it."""
        coding = self.codings[name]
        axis = {"axis": 1} if coding.per_channel else {}
        shape = (-1,) if coding.per_channel else ()
        scale = self.constant(f"{name}.scale", coding.scale.astype("f4").reshape(shape))
        zero = self.constant(f"{name}.zero", coding.zero.astype("u1").reshape(shape))
        self.add("QuantizeLinear", [name, scale, zero], f"{name}.code", **axis)
        if coding.per_channel:
            # The scales are in the weights, as in the engine: what comes back counts steps.
            scale = self.constant(f"{name}.steps", numpy.ones_like(coding.scale))
        return self.add("DequantizeLinear", [f"{name}.code", scale, zero], f"{name}.coded", **axis)

    def made(self, name):
        """What later operators read of a tensor that has just been computed."""
        return self._code(name) if self.code_where_made and name in self.codings else name

    def conv(self, source, name, conv, output):
        """source: as made() returned it."""
        tensor = source.removesuffix(".coded")
        coding = self.codings.get(tensor)
        weight = conv.weight
        if coding is None:
            weight = self.constant(f"{name}.weight", weight.astype(self.real))
        else:
            if source == tensor:
                source = self._code(tensor)
            if coding.per_channel:
                weight = weight * coding.scale[:, None, None]
            weight = self._coded_weight(f"{name}.weight", weight)
        bias = self.constant(f"{name}.bias", conv.bias.astype(self.real))
        return self.add("Conv", [source, weight, bias], output, kernel_shape=[3, 3], pads=[1, 1, 1, 1])

    def _coded_weight(self, name, weight):
        scale = numpy.maximum(abs(weight).max(axis=(1, 2, 3)) / 127, 1e-12).astype("f4")
        codes = numpy.clip(numpy.rint(weight / scale[:, None, None, None]), -127, 127).astype("i1")
        inputs = [
            self.constant(f"{name}.code", codes),
            self.constant(f"{name}.scale", scale),
            self.constant(f"{name}.zero", numpy.zeros(len(scale), "i1")),
        ]
        return self.add("DequantizeLinear", inputs, f"{name}.coded", axis=0)


def _add_network(graph, model):
    x = graph.made("x")
    graph.conv(x, "head", model.head, "h.0")
    h = h0 = graph.made("h.0")
    for n, (conv1, conv2) in enumerate(model.blocks):
        graph.conv(h, f"body.{n}.conv1", conv1, f"a.{n}")
        a = graph.made(f"a.{n}")
        graph.add("Sigmoid", [a], f"s.{n}")
        graph.add("Mul", [a, graph.made(f"s.{n}")], f"m.{n}")
        graph.conv(graph.made(f"m.{n}"), f"body.{n}.conv2", conv2, f"b.{n}")
        graph.add("Add", [h, graph.made(f"b.{n}")], f"h.{n + 1}")
        h = graph.made(f"h.{n + 1}")
    graph.add("Add", [h, h0], "t")
    graph.conv(graph.made("t"), "tail", model.tail, "y")
    graph.add("DepthToSpace", [graph.made("y")], "shuffled", blocksize=model.scale, mode="CRD")
    ends = [graph.constant("black", numpy.array(0, graph.real)), graph.constant("white", numpy.array(1, graph.real))]
    graph.add("Clip", ["shuffled", *ends], "out")


def write(model, path, precision="fp32", size=None, codings=None, code_where_made=False):
    """Writes `path`. Raises OSError, and ValueError for int8 without codings.

    precision: fp32, fp16 or int8. size: (width_px, height_px), or None for any.
    codings: for int8, by tensor, what the convolutions that read these tensors read in bytes:
    calibration.from_file(model) or calibration.per_tensor(...). code_where_made: the other tensors
    with a coding too, so that a runtime can keep bytes between operators (one scale a tensor only).
    """
    if precision not in ("fp32", "fp16", "int8"):
        raise ValueError(f"ONNX has no {precision} here: use fp32, fp16 or int8")
    if precision == "int8" and not codings:
        raise ValueError("the model file has no int8 codings: run pipersr calibrate first")
    if precision == "int8" and code_where_made and any(coding.per_channel for coding in codings.values()):
        raise ValueError("codings of all tensors need one scale a tensor")
    real = "float16" if precision == "fp16" else "float32"
    graph = _Graph(codings if precision == "int8" else {}, code_where_made, real)
    _add_network(graph, model)
    width, height = size or ("width", "height")
    out_sides = [model.scale * side for side in (height, width)] if size else ["out_height", "out_width"]
    data = onnx_protobuf.model(
        model.name,
        graph.nodes,
        graph.tensors,
        [onnx_protobuf.value_info("x", real, [1, 3, height, width])],
        [onnx_protobuf.value_info("out", real, [1, 3, *out_sides])],
        OPSET,
        IR_VERSION,
        "pipersr",
        {"scale": str(model.scale), "colour_order": "RGB", "value_range": "0..1"},
    )
    with open(path, "wb") as file:
        file.write(data)
