"""Modules: parameters with names, as in PyTorch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Self

import numpy as np

from seqdl.errors import SeqdlError
from seqdl.tensor import Tensor


class StateError(SeqdlError, KeyError):
    """A state_dict does not fit the module; the message lists what is missing, unknown or of another shape."""

    def __str__(self) -> str:
        return str(self.args[0])


class Parameter(Tensor):
    """A tensor that a module learns."""

    __slots__ = ()

    def __init__(self, data: Any) -> None:
        super().__init__(data, requires_grad=True)


class Module:
    """Base of all layers and models. Parameters, buffers (plain arrays) and modules are found by attribute.

    Names, state_dict layout and train/eval behaviour are PyTorch's.
    """

    def __init__(self) -> None:
        self.training = True

    def forward(self, *inputs: Any, **options: Any) -> Any:
        """What calling the module does; each kind of module has its own."""
        raise NotImplementedError(f"{type(self).__name__} has no forward()")

    def __call__(self, *inputs: Any, **options: Any) -> Any:
        return self.forward(*inputs, **options)

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The modules that are attributes of this one."""
        for name, value in vars(self).items():
            if isinstance(value, Module):
                yield name, value

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """This module (under the name `prefix`) and all below it."""
        yield prefix, self
        for name, child in self.named_children():
            yield from child.named_modules(f"{prefix}.{name}" if prefix else name)

    def named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """All parameters, here and below, by dotted name."""
        return self._named(Parameter)

    def named_buffers(self) -> Iterator[tuple[str, np.ndarray]]:
        """All arrays that are no parameters, such as running means, by dotted name."""
        return self._named(np.ndarray)

    def _named(self, kind: type) -> Iterator[tuple[str, Any]]:
        for path, module in self.named_modules():
            for name, value in vars(module).items():
                if isinstance(value, kind):
                    yield f"{path}.{name}" if path else name, value

    def parameters(self) -> Iterator[Parameter]:
        """Each parameter once, even if two modules share it."""
        return iter(dict.fromkeys(parameter for _, parameter in self.named_parameters()))

    def state_dict(self) -> dict[str, np.ndarray]:
        """Parameters and buffers by dotted name, as arrays that share memory with the module."""
        state = {name: parameter.data for name, parameter in self.named_parameters()}
        return state | dict(self.named_buffers())

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Copy values in; the names and shapes must be exactly ours, else StateError. Types are converted."""
        own = self.state_dict()
        faults = [f"missing {name}" for name in own if name not in state]
        faults += [f"unknown {name}" for name in state if name not in own]
        faults += [
            f"{name} is {np.shape(state[name])}, expected {own[name].shape}"
            for name in own
            if name in state and np.shape(state[name]) != own[name].shape
        ]
        if faults:
            raise StateError(f"state_dict does not fit {type(self).__name__}: {'; '.join(faults)}")
        for name, array in own.items():
            array[...] = state[name]

    def zero_grad(self) -> None:
        """Forget the gradients, before the next backward()."""
        for parameter in self.parameters():
            parameter.grad = None

    def train(self, mode: bool = True) -> Self:
        """Switch dropout and batch figures on (mode) or off, here and below; returns itself."""
        for _, module in self.named_modules():
            module.training = mode
        return self

    def eval(self) -> Self:
        """As train(False)."""
        return self.train(False)

    def to(self, dtype: Any) -> Self:
        """Convert parameters and floating buffers, in place."""
        for _, module in self.named_modules():
            for name, value in vars(module).items():
                if isinstance(value, Parameter):
                    value.data, value.grad = value.data.astype(dtype), None
                elif isinstance(value, np.ndarray) and value.dtype.kind == "f":
                    setattr(module, name, value.astype(dtype))
        return self

    def extra_repr(self) -> str:
        """What stands between the parentheses of a leaf module's repr."""
        return ""

    def __repr__(self) -> str:
        children = [f"  ({name}): {child!r}".replace("\n", "\n  ") for name, child in self.named_children()]
        inside = "\n" + "\n".join(children) + "\n" if children else self.extra_repr()
        return f"{type(self).__name__}({inside})"


@contextmanager
def evaluating(module: Module) -> Iterator[None]:
    """While this is open the module is in evaluation, with all below it; then each is again in the mode it was in."""
    modes = [(each, each.training) for _, each in module.named_modules()]
    module.eval()
    try:
        yield
    finally:
        for each, training in modes:
            each.training = training


class ModuleList(Module):
    """Modules in a list, named 0, 1, 2, ...; a plain list of Python would hide their parameters."""

    def __init__(self, modules: Iterable[Module] = ()) -> None:
        super().__init__()
        for module in modules:
            self.append(module)

    def append(self, module: Module) -> Self:
        setattr(self, str(len(self)), module)
        return self

    def __iter__(self) -> Iterator[Module]:
        return (module for _, module in self.named_children())

    def __len__(self) -> int:
        return sum(1 for _ in self.named_children())

    def __getitem__(self, index: int) -> Module:
        return list(self)[index]


class Sequential(ModuleList):
    """Modules one after the other, named 0, 1, 2, ..."""

    def __init__(self, *modules: Module) -> None:
        super().__init__(modules)

    def forward(self, x: Any) -> Any:
        for module in self:
            x = module(x)
        return x


def summary(module: Module) -> str:
    """A table of the modules that hold parameters: name, type, shapes, number of weights; the total below."""
    rows = [("name", "layer", "shapes", "weights")]
    total = 0
    for path, part in module.named_modules():
        own = [v for v in vars(part).values() if isinstance(v, Parameter)]
        if own:
            count = sum(p.size for p in own)
            total += count
            shapes = " ".join("x".join(map(str, p.shape)) for p in own)
            rows.append((path or "-", type(part).__name__, shapes, f"{count:,}"))
    rows.append(("total", "", "", f"{total:,}"))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return "\n".join(
        "  ".join([*(cell.ljust(w) for cell, w in zip(row[:3], widths, strict=False)), row[3].rjust(widths[3])])
        for row in rows
    )
