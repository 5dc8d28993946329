"""Vector code for the few inner loops that must keep their values in registers, which no loop in Python does.

An intrinsic of numba writes LLVM's instructions into the kernel that calls it; `Code` has those that ours need.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from llvmlite import binding, ir
from numba.core import cgutils, config

_FEATURES = binding.get_host_cpu_features()
AVX512, AVX2 = (bool(_FEATURES.get(name)) for name in ("avx512f", "avx2"))
VECTOR_BYTES = 64 if AVX512 else 32 if AVX2 else 16

INDEX, NUMBER, BYTE = ir.IntType(64), ir.IntType(32), ir.IntType(8)
Values = Sequence[ir.Value]


class Lookup(NamedTuple):
    """How this machine looks up many bytes at once in a table of bytes."""

    instruction: str  # LLVM's name; empty: none, the lanes one by one
    lanes: int
    bits: int  # of an index: the table has 2 ** bits bytes, repeated to fill the lanes; an index has no other bits


def _lookup() -> Lookup:
    if binding.get_process_triple().startswith(("aarch64", "arm64")):
        return Lookup("llvm.aarch64.neon.tbl1.v16i8", 16, 4)
    has, name, features = _FEATURES, getattr(config, "CPU_NAME", None), getattr(config, "CPU_FEATURES", None)
    if features is not None or name not in (None, "host"):  # the user has numba compile for another machine
        has = dict.fromkeys((features or "").replace("+", "").split(","), True)
    for feature, lookup in (
        ("avx512vbmi", Lookup("llvm.x86.avx512.permvar.qi.512", 64, 6)),
        ("avx2", Lookup("llvm.x86.avx2.pshuf.b", 32, 4)),
        ("ssse3", Lookup("llvm.x86.ssse3.pshuf.b.128", 16, 4)),
    ):
        if has.get(feature):
            return lookup
    return Lookup("", 16, 4)


LOOKUP = _lookup()


class Code:
    """Instructions on vectors of so many lanes, whatever is in them. Offsets count elements."""

    def __init__(self, builder: ir.IRBuilder, lanes: int) -> None:
        self.builder, self.lanes = builder, lanes

    def pointer(self, address: ir.Value, element: ir.Type) -> ir.Value:
        return self.builder.inttoptr(address, element.as_pointer())

    def at(self, pointer: ir.Value, offset: ir.Value | int) -> ir.Value:
        return self.builder.gep(pointer, [offset if isinstance(offset, ir.Value) else INDEX(offset)])

    def load(self, pointer: ir.Value) -> ir.Value:
        """A vector, aligned as its elements are."""
        kind = ir.VectorType(pointer.type.pointee, self.lanes)
        value = self.builder.load(self.builder.bitcast(pointer, kind.as_pointer()))
        value.align = _bytes(kind)
        return value

    def store(self, value: ir.Value, pointer: ir.Value) -> None:
        """Write a vector, aligned as its elements are."""
        address = self.builder.bitcast(pointer, value.type.as_pointer())
        self.builder.store(value, address, align=_bytes(value.type))

    def load_some(self, pointer: ir.Value, mask: ir.Value) -> ir.Value:
        """The lanes of the mask; the memory of the others is not touched, they are 0."""
        kind = ir.VectorType(pointer.type.pointee, self.lanes)
        address, align = self.builder.bitcast(pointer, kind.as_pointer()), ir.Constant(NUMBER, _bytes(kind))
        name = f"llvm.masked.load.{_name(kind)}.p0"
        return self._call(name, kind, [address, align, mask, ir.Constant(kind, None)])

    def store_some(self, value: ir.Value, pointer: ir.Value, mask: ir.Value) -> None:
        """Write the lanes of the mask only."""
        address = self.builder.bitcast(pointer, value.type.as_pointer())
        name, align = f"llvm.masked.store.{_name(value.type)}.p0", ir.Constant(NUMBER, _bytes(value.type))
        self._call(name, ir.VoidType(), [value, address, align, mask])

    def fma(self, a: ir.Value, b: ir.Value, c: ir.Value) -> ir.Value:
        """a b + c, rounded once."""
        return self._call(f"llvm.fma.{_name(a.type)}", a.type, [a, b, c])

    def add_bytes(self, a: ir.Value, b: ir.Value) -> ir.Value:
        """a + b of unsigned integers, at most the largest of them."""
        return self._call(f"llvm.uadd.sat.{_name(a.type)}", a.type, [a, b])

    def smaller(self, a: ir.Value, b: ir.Value) -> ir.Value:
        """Of unsigned integers."""
        return self._call(f"llvm.umin.{_name(a.type)}", a.type, [a, b])

    def look_up(self, table: ir.Value, at: ir.Value) -> ir.Value:
        """table[at] in each lane, as LOOKUP says."""
        if LOOKUP.instruction:
            return self._call(LOOKUP.instruction, table.type, [table, at])
        found = ir.Constant(table.type, ir.Undefined)
        for lane in range(self.lanes):
            one = self.builder.extract_element(table, self.builder.extract_element(at, NUMBER(lane)))
            found = self.builder.insert_element(found, one, NUMBER(lane))
        return found

    def bits(self, mask: ir.Value) -> ir.Value:
        """A mask of at most 64 lanes as a 64-bit integer, its first lane the lowest bit."""
        bits = self.builder.bitcast(mask, ir.IntType(self.lanes))
        return bits if self.lanes == 64 else self.builder.zext(bits, INDEX)

    def splat(self, value: ir.Value) -> ir.Value:
        """The same value in all lanes."""
        none = ir.Constant(ir.VectorType(value.type, self.lanes), ir.Undefined)
        first = self.builder.insert_element(none, value, NUMBER(0))
        return self.builder.shuffle_vector(first, none, ir.Constant(ir.VectorType(NUMBER, self.lanes), None))

    def resized(self, numbers: ir.Value, element: ir.IntType) -> ir.Value:
        """Unsigned integers in more or fewer bits."""
        kind, bits = ir.VectorType(element, self.lanes), numbers.type.element.width
        if element.width == bits:
            return numbers
        return (self.builder.zext if element.width > bits else self.builder.trunc)(numbers, kind)

    def below(self, count: ir.Value, first: int = 0) -> ir.Value:
        """Mask of the lanes n with first + n < count."""
        numbers = ir.Constant(ir.VectorType(INDEX, self.lanes), [first + lane for lane in range(self.lanes)])
        return self.builder.icmp_signed("<", numbers, self.splat(count))

    def loop(self, name: str, count: ir.Value, values: Values, body: Callable[..., Values]) -> Values:
        """values = body(n, *values) for each n below count; returns the last ones."""
        builder, before = self.builder, self.builder.block
        top, inside, after = (builder.append_basic_block(f"{name}.{part}") for part in ("top", "in", "end"))
        builder.branch(top)
        builder.position_at_end(top)
        phis = [builder.phi(value.type) for value in [INDEX(0), *values]]
        builder.cbranch(builder.icmp_signed("<", phis[0], count), inside, after)
        builder.position_at_end(inside)
        following = [builder.add(phis[0], INDEX(1)), *body(*phis)]
        for phi, first, later in zip(phis, [INDEX(0), *values], following, strict=True):
            phi.add_incoming(first, before)
            phi.add_incoming(later, builder.block)
        builder.branch(top)
        builder.position_at_end(after)
        return phis[1:]

    def _call(self, name: str, result: ir.Type, arguments: Values) -> Any:
        kind = ir.FunctionType(result, [argument.type for argument in arguments])
        return self.builder.call(cgutils.get_or_insert_function(self.builder.module, kind, name), arguments)


def _bytes(kind: ir.VectorType) -> int:
    return {"half": 2, "float": 4, "double": 8}.get(str(kind.element)) or kind.element.width // 8


def _name(kind: ir.VectorType) -> str:
    """As the names of LLVM's functions have it: v16f32, v8i64."""
    letter = "i" if isinstance(kind.element, ir.IntType) else "f"
    return f"v{kind.count}{letter}{8 * _bytes(kind)}"
