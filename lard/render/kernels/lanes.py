"""What Numba cannot say itself: hints to the processor's cache, and texels as vectors of their channels."""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np.arrayobj import make_array

_NUMBER, _PLACE = ir.IntType(32), ir.IntType(64)
_BYTES, _LANES = ir.VectorType(ir.IntType(8), 4), ir.VectorType(_NUMBER, 4)
_FLOATS = ir.VectorType(ir.DoubleType(), 4)


@intrinsic
def prefetch(typingctx: Any, array: Any, index: Any) -> Any:
    """Ask the processor for the cache line of array[index]; a hint without effect on results."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = make_array(signature.args[0])(context, builder, arguments[0]).data
        pointer = builder.gep(data, [arguments[1]])
        kind = ir.FunctionType(ir.VoidType(), [pointer.type, _NUMBER, _NUMBER, _NUMBER])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        builder.call(
            function, [pointer, _NUMBER(0), _NUMBER(3), _NUMBER(1)]
        )  # to read, into all caches, data

    return types.void(array, types.intp), generate


@intrinsic
def walk(
    typingctx: Any, texels: Any, index: Any, step: Any, side: Any, length: Any, start: Any, q: Any, slope: Any
) -> Any:  # fmt: skip
    """Weighted sums (red, green, blue) of the channels along a line of texels, blended sideways.

    index: of the texel at place across 0 where the line begins; step, side: to the next texel along and
    across the line; length: of the line, at least 256, and start: its first texel's part before it, 1/256
    texel; q, slope: place across of the first texel and its change per texel, 1/65536. Whole numbers below
    2^32, as floats. Lines of one length take the same way through the code, which processors can foresee.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = make_array(signature.args[0])(context, builder, arguments[0]).data
        index, step, side, length, start, q, slope = arguments[1:]
        low = builder.and_(start, _PLACE(255))
        end = builder.add(low, length)
        whole, rest = builder.ashr(length, _PLACE(8)), builder.and_(end, _PLACE(255))
        # the end lies `whole` texels after the first one, or one further; then that before it counts fully
        further = builder.sub(builder.ashr(end, _PLACE(8)), whole)
        beyond = builder.mul(rest, further)
        full = builder.add(builder.sub(rest, beyond), builder.shl(further, _PLACE(8)))

        def splat(value: Any) -> Any:
            one = builder.insert_element(ir.Constant(_LANES, ir.Undefined), value, _NUMBER(0))
            return builder.shuffle_vector(one, one, ir.Constant(_LANES, [0] * 4))

        def channels(at: Any) -> Any:
            pointer = builder.bitcast(builder.gep(data, [at]), _BYTES.as_pointer())
            return builder.zext(builder.load(pointer, align=4), _LANES)

        def seen(index: Any, q: Any) -> tuple[Any, Any]:
            """Channels of one texel, and 256 times what is to be added of the one beside it."""
            at = builder.add(index, builder.mul(builder.ashr(q, _PLACE(16)), side))
            here, there = channels(at), channels(builder.add(at, side))
            share = builder.trunc(builder.and_(builder.ashr(q, _PLACE(8)), _PLACE(255)), _NUMBER)
            return here, builder.mul(builder.sub(there, here), splat(share))

        eight = ir.Constant(_LANES, [8] * 4)

        def weighted(index: Any, q: Any, weight: Any) -> Any:
            here, more = seen(index, q)
            blended = builder.add(builder.shl(here, eight), more)
            return builder.mul(blended, splat(builder.trunc(weight, _NUMBER)))

        place, across = cgutils.alloca_once_value(builder, index), cgutils.alloca_once_value(builder, q)
        plain = cgutils.alloca_once_value(builder, ir.Constant(_LANES, [0] * 4))
        slanted = cgutils.alloca_once_value(builder, ir.Constant(_LANES, [0] * 4))
        ends = weighted(index, q, builder.sub(_PLACE(256), low))

        def advance() -> None:
            builder.store(builder.add(builder.load(place), step), place)
            builder.store(builder.add(builder.load(across), slope), across)

        with cgutils.for_range(builder, builder.sub(whole, _PLACE(1))):
            advance()
            here, more = seen(builder.load(place), builder.load(across))
            builder.store(builder.add(builder.load(plain), here), plain)
            builder.store(builder.add(builder.load(slanted), more), slanted)
        advance()
        at, beside = builder.load(place), builder.load(across)
        ends = builder.add(ends, weighted(at, beside, full))
        at = builder.add(at, builder.mul(step, further))
        ends = builder.add(ends, weighted(at, builder.add(beside, builder.mul(slope, further)), beyond))
        middle = builder.add(builder.shl(builder.load(plain), eight), builder.load(slanted))
        sums = builder.uitofp(builder.add(ends, builder.shl(middle, eight)), _FLOATS)
        found = [builder.extract_element(sums, _NUMBER(c)) for c in range(3)]
        return context.make_tuple(builder, signature.return_type, found)

    return types.UniTuple(types.float64, 3)(texels, *[types.int64] * 7), generate
