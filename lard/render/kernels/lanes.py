"""What Numba cannot say itself: hints to the processor's cache, and texels as vectors of their channels."""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np.arrayobj import make_array

_NUMBER, _PLACE = ir.IntType(32), ir.IntType(64)
_ONE, _TWO = ir.VectorType(ir.IntType(8), 4), ir.VectorType(ir.IntType(8), 8)
_LANES, _HALVES = ir.VectorType(_NUMBER, 4), ir.VectorType(ir.IntType(16), 8)
_FLOATS = ir.VectorType(ir.DoubleType(), 4)
_SHARES = [256 - q | q << 16 for q in range(256)]  # of a texel and, above, of the one beside it


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
def walk_down(
    typingctx: Any, texels: Any, place: Any, pitch: Any, length: Any, slope: Any, count: Any, starts: Any,
    places: Any, sums: Any,
) -> Any:  # fmt: skip
    """Weighted sums (red, green, blue) of the channels along `count` lines down, blended sideways.

    place: of texel (0, 0); pitch: from row to row; length: of the lines, at least 256, and starts (count,)
    of each, both 1/256 texel; places (count,): across, of each line's first texel, and slope: their change
    per texel, 1/65536. Written to sums (3, count or more): whole numbers below 2^32, as floats. Reads the
    texel after a line's last one, too, and all their neighbours to the right. Lines of one length take the
    same way through the code, which processors can foresee.
    """
    return _signature(texels, starts, places, sums), _rows_of(True)


@intrinsic
def walk_right(
    typingctx: Any, texels: Any, place: Any, pitch: Any, length: Any, slope: Any, count: Any, starts: Any,
    places: Any, sums: Any,
) -> Any:  # fmt: skip
    """As `walk_down`, along lines to the right, blended downwards."""
    return _signature(texels, starts, places, sums), _rows_of(False)


def _signature(texels: Any, starts: Any, places: Any, sums: Any) -> Any:
    return types.void(texels, *[types.int64] * 5, starts, places, sums)


def _rows_of(down: bool) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        arrays = {k: make_array(signature.args[k])(context, builder, arguments[k]) for k in (0, 6, 7, 8)}
        numbers = arguments[1:6]
        between = cgutils.unpack_tuple(builder, arrays[8].strides, 2)[0]
        given = [arrays[0].data, *numbers, arrays[6].data, arrays[7].data, arrays[8].data, between]
        kind = ir.FunctionType(ir.VoidType(), [value.type for value in given])
        name = f"walks_{'down' if down else 'right'}"
        function = builder.module.globals.get(name)
        if function is None:
            # a function of its own: among all else of its caller the registers would not do for its loop
            function = ir.Function(builder.module, kind, name)
            function.linkage = "internal"
            function.attributes.add("noinline")
            _write(function, down)
        builder.call(function, given)

    return generate


def _write(function: Any, down: bool) -> None:
    """The loop over lines, and along each."""
    builder = ir.IRBuilder(function.append_basic_block())
    data, place, pitch, length, slope, count, starts, places, sums, between = function.args
    table_type = ir.ArrayType(_NUMBER, len(_SHARES))
    table = cgutils.global_constant(
        builder, f"{function.name}_shares", ir.Constant(table_type, [_NUMBER(share) for share in _SHARES])
    )

    def splat(value: Any) -> Any:
        one = builder.insert_element(ir.Constant(_LANES, ir.Undefined), value, _NUMBER(0))
        return builder.shuffle_vector(one, one, ir.Constant(_LANES, [0] * 4))

    def alike(value: int) -> Any:
        return ir.Constant(_LANES, [value] * 4)

    def load(at: Any, kind: Any) -> Any:
        return builder.load(builder.bitcast(builder.gep(data, [at]), kind.as_pointer()), align=4)

    def parts(index: Any, q: Any) -> tuple[Any, Any]:
        """What a texel and the one beside it give to 256 times the channels between them."""
        across = builder.ashr(q, _PLACE(16))
        turns = ir.Constant(ir.VectorType(_NUMBER, 8), [0, 4, 1, 5, 2, 6, 3, 7])  # channel by channel
        if down:
            both = load(builder.add(index, across), _TWO)
            mixed = builder.shuffle_vector(both, both, turns)
        else:
            at = builder.add(index, builder.mul(across, pitch))
            mixed = builder.shuffle_vector(load(at, _ONE), load(builder.add(at, pitch), _ONE), turns)
        pairs = builder.zext(mixed, _HALVES)
        share = builder.and_(builder.ashr(q, _PLACE(8)), _PLACE(255))
        weights = builder.bitcast(splat(builder.load(builder.gep(table, [_PLACE(0), share]))), _HALVES)
        first, second = (builder.mul(every_other(pairs, k), every_other(weights, k)) for k in (0, 1))
        return first, second

    def every_other(halves: Any, first: int) -> Any:
        order = ir.Constant(_LANES, [first, first + 2, first + 4, first + 6])
        return builder.sext(builder.shuffle_vector(halves, halves, order), _LANES)

    def add_to(total: Any, part: Any) -> None:
        builder.store(builder.add(builder.load(total), part), total)

    step = pitch if down else _PLACE(1)
    whole = builder.ashr(length, _PLACE(8))
    lengths, wholes = splat(builder.trunc(length, _NUMBER)), splat(builder.trunc(whole, _NUMBER))
    between_ends = builder.sub(whole, _PLACE(1))
    index_at, q_at = cgutils.alloca_once(builder, _PLACE), cgutils.alloca_once(builder, _PLACE)
    # two sums, as each addition waits for the one before it
    totals = [cgutils.alloca_once(builder, _LANES) for _ in range(2)]
    with cgutils.for_range(builder, count) as line:
        i = line.index
        start = builder.fptosi(builder.load(builder.gep(starts, [i])), _PLACE)
        q = builder.fptosi(builder.load(builder.gep(places, [i])), _PLACE)
        index = builder.add(place, builder.mul(builder.ashr(start, _PLACE(8)), step))
        # the end lies `whole` texels after the first one, or one further; then that before it counts fully
        low = builder.and_(splat(builder.trunc(start, _NUMBER)), alike(255))
        end = builder.add(low, lengths)
        rest = builder.and_(end, alike(255))
        further = builder.sub(builder.lshr(end, alike(8)), wholes)
        beyond = builder.mul(rest, further)
        full = builder.add(builder.sub(rest, beyond), builder.shl(further, alike(8)))
        ends = builder.mul(builder.add(*parts(index, q)), builder.sub(alike(256), low))
        builder.store(index, index_at)
        builder.store(q, q_at)
        for total in totals:
            builder.store(alike(0), total)
        with cgutils.for_range(builder, between_ends):
            index, q = builder.add(builder.load(index_at), step), builder.add(builder.load(q_at), slope)
            for total, part in zip(totals, parts(index, q), strict=True):
                add_to(total, part)
            builder.store(index, index_at)
            builder.store(q, q_at)
        index, q = builder.load(index_at), builder.load(q_at)
        for weight in (full, beyond):
            index, q = builder.add(index, step), builder.add(q, slope)
            ends = builder.add(ends, builder.mul(builder.add(*parts(index, q)), weight))
        middle = builder.shl(builder.add(*(builder.load(total) for total in totals)), alike(8))
        found = builder.uitofp(builder.add(ends, middle), _FLOATS)
        for c in range(3):
            row = cgutils.pointer_add(builder, sums, builder.mul(between, _PLACE(c)))
            builder.store(builder.extract_element(found, _NUMBER(c)), builder.gep(row, [i]))
    builder.ret_void()
