"""Functions of tensors that run without Python once they have been traced.

A pass of a small model on a CPU is a thousand operations of some microseconds, and Python between
them takes a quarter of its time. A trace runs the same operations in the same order, so its
results are the same bit for bit; other threads may run Python meanwhile.
"""

from __future__ import annotations

import logging
import threading
import warnings
from collections import Counter
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from functools import wraps
from typing import Any, Final, NamedTuple, ParamSpec, TypeVar

import torch
from torch import Tensor

AFTER: Final = 3  # calls with inputs of the same shapes before a trace is made: it takes 10 of them
MOST: Final = 8  # traces of one function
COUNTED: Final = 64  # forms and shapes whose calls are counted
ARITHMETIC: Final = ("aten::add", "aten::sub", "aten::rsub", "aten::mul", "aten::div")
NUMBERS: Final = (torch.float64, torch.int64)

P = ParamSpec("P")
R = TypeVar("R")

logger = logging.getLogger(__name__)
_calls_before: Final = [AFTER]  # the newest counts
_one_at_a_time: Final = threading.Lock()


@contextmanager
def traces_at_once() -> Iterator[None]:
    """Inside of it, in all threads, the first call makes the trace."""
    _calls_before.append(0)
    try:
        yield
    finally:
        _calls_before.pop()


def traced(function: Callable[P, R]) -> Callable[P, R]:
    """A function to be called often: of tensors, data classes of tensors, and hashable values.

    What it does may depend on shapes and on hashable values, but not on the values of tensors. On
    a GPU, and where gradients are wanted, it runs as it is.
    """
    traces = _Traces(function)

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        result: R = traces.call((args, tuple(kwargs), tuple(kwargs.values())))
        return result

    return call


class _Traces:
    """Owns the traces of one function, one for each form and shapes of its inputs."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self._calls: Counter[Hashable] = Counter()
        self._made: dict[Hashable, _Trace | None] = {}  # None where there can be none

    def call(self, arguments: Any) -> Any:
        tensors: list[Tensor] = []
        form = _form(arguments, tensors)
        if not _is_traceable(tensors):
            return _applied(self._function, arguments)
        key = (form, tuple((tensor.shape, tensor.dtype) for tensor in tensors))
        trace = self._made.get(key)
        if trace is None and self._is_time(key):
            trace = self._made[key] = self._new(form, tensors)
        return _applied(self._function, arguments) if trace is None else trace(tensors)

    def _is_time(self, key: Hashable) -> bool:
        """Whether inputs of this kind have come often enough; the first kinds are served."""
        if len(self._made) >= MOST:
            return False
        if len(self._calls) >= COUNTED:
            self._calls.clear()
        self._calls[key] += 1
        return key not in self._made and self._calls[key] > _calls_before[-1]

    def _new(self, form: Hashable, tensors: list[Tensor]) -> _Trace | None:
        try:
            return _Trace(self._function, form, tensors)
        except RuntimeError as error:  # such as weights that are still to be trained
            logger.debug("%s runs untraced: %s", self._function, error)
            return None


class _Trace:
    """A function traced for inputs of one form and shapes."""

    def __init__(self, function: Callable[..., Any], form: Hashable, tensors: list[Tensor]) -> None:
        def flat(*inputs: Tensor) -> tuple[Tensor, ...]:
            results: list[Tensor] = []
            self._results = _form(_applied(function, _filled(form, iter(inputs))), results)
            return tuple(results)

        with _one_at_a_time, warnings.catch_warnings():  # which is no thread's own
            warnings.simplefilter("ignore")  # sizes become constants, which is what is wanted
            whole = torch.jit.trace(flat, tuple(tensors), check_trace=False)
        self._run = torch._C._create_function_from_graph("tidied", _tidied(whole.graph))

    def __call__(self, tensors: list[Tensor]) -> Any:
        with torch.jit.optimized_execution(False):  # it only makes the first runs slow
            return _filled(self._results, iter(self._run(*tensors)))


def _tidied(graph: torch._C.Graph) -> torch._C.Graph:
    """Without what is computed twice or for nothing, mostly sizes: half of a network's nodes.

    A graph that is optimized when it is run loses them too, but only after some slow runs. Numbers
    that meet tensors of 32 bits have as many, too: to cast them each time was a tenth of a hint.
    """
    tidied = graph.copy()
    torch._C._jit_pass_inline(tidied)
    torch._C._jit_pass_constant_propagation(tidied)
    torch._C._jit_pass_peephole(tidied, False)
    torch._C._jit_pass_cse(tidied)
    torch._C._jit_pass_dce(tidied)
    for node in tidied.nodes():
        number = _number(node)
        if number is not None and all(_takes_floats(use.user) for use in node.output().uses()):
            node.t_("value", number.float())
    return tidied


def _number(constant: torch._C.Node) -> Tensor | None:
    """The number that a constant is, of 64 bits as Python's are; None for all other nodes."""
    if constant.kind() != "prim::Constant" or not constant.hasAttribute("value"):
        return None
    if constant.kindOf("value") != "t":
        return None
    value = constant.t("value")
    return value if value.dim() == 0 and value.dtype in NUMBERS else None


def _takes_floats(node: torch._C.Node) -> bool:
    """Whether it is arithmetic with a tensor of 32 bits, whose result has as many."""
    if node.kind().removesuffix("_") not in ARITHMETIC:
        return False
    result = node.output().type()
    return (
        isinstance(result, torch._C.TensorType)
        and result.scalarType() == "Float"
        and bool(result.dim())
    )


def _is_traceable(tensors: list[Tensor]) -> bool:
    if torch.is_grad_enabled() or torch.jit.is_tracing():
        return False
    return all(tensor.device.type == "cpu" for tensor in tensors)


def _applied(function: Callable[..., Any], arguments: Any) -> Any:
    args, names, values = arguments
    return function(*args, **dict(zip(names, values, strict=True)))


class _Node(NamedTuple):
    """A tuple, or a data class with the names of its fields."""

    kind: type
    names: tuple[str, ...]
    parts: tuple[Hashable, ...]


def _form(value: Any, tensors: list[Tensor]) -> Hashable:
    """A value with slots in place of its tensors, which are appended to a list."""
    if isinstance(value, Tensor):
        tensors.append(value)
        return Tensor
    if isinstance(value, tuple):
        return _Node(tuple, (), tuple(_form(part, tensors) for part in value))
    if is_dataclass(value) and not isinstance(value, type):
        names = tuple(field.name for field in fields(value))
        parts = tuple(_form(getattr(value, name), tensors) for name in names)
        return _Node(type(value), names, parts)
    return value


def _filled(form: Hashable, tensors: Iterator[Tensor]) -> Any:
    """The value of a form, with tensors in its slots."""
    if form is Tensor:
        return next(tensors)
    if not isinstance(form, _Node):
        return form
    parts = [_filled(part, tensors) for part in form.parts]
    return form.kind(**dict(zip(form.names, parts, strict=True))) if form.names else tuple(parts)
