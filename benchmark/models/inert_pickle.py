"""A pickle read as plain data: nothing in it is imported, called, built or compared.

A pickle is a program that builds objects. This reader follows it with the decoder of Python's own
`pickletools`, makes only what has no behaviour (numbers, text, bytes, lists, tuples, dicts), and
puts an :class:`Inert` in place of everything else: it holds what the pickle wanted to call, and
with what. What of that is a tensor is decided elsewhere, from these descriptions.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import IO, Any, ClassVar

from benchmark.errors import InputError

PERSISTENT = "persistent id"
"""The name of what stands for an object outside of the pickle, as torch's storages are."""

_HARMFUL_MODULES = frozenset(
    [
        "commands",
        "ctypes",
        "importlib",
        "nt",
        "os",
        "popen2",
        "posix",
        "pty",
        "runpy",
        "shutil",
        "socket",
        "subprocess",
        "sys",
    ]
)
_HARMFUL_BUILTINS = frozenset(
    [
        "__import__",
        "apply",
        "breakpoint",
        "compile",
        "eval",
        "exec",
        "execfile",
        "exit",
        "input",
        "open",
        "quit",
    ]
)
_LARGEST_KEY = 1 << 60  # larger numbers can be chosen so that a dict becomes slow

_CONSTANTS: dict[str, object] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_LITERALS = frozenset(
    [
        "INT",
        "BININT",
        "BININT1",
        "BININT2",
        "LONG",
        "LONG1",
        "LONG4",
        "FLOAT",
        "BINFLOAT",
        "STRING",
        "BINSTRING",
        "SHORT_BINSTRING",
        "BINBYTES",
        "SHORT_BINBYTES",
        "BINBYTES8",
        "BYTEARRAY8",
        "UNICODE",
        "SHORT_BINUNICODE",
        "BINUNICODE",
        "BINUNICODE8",
    ]
)
_EMPTY: dict[str, Callable[[], object]] = {
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
    "EMPTY_TUPLE": tuple,
    "EMPTY_SET": list,  # a set would compare what it holds
}


@dataclass(eq=False, repr=False)
class Inert:
    """What stands in for anything but plain data.

    Attributes:
        name: dotted, of the class or function that the pickle named.
        args: what it was to be called with; None where it is only named.
        state: what the object was to be given afterwards.
        items: keys and values that were to be put into it.
    """

    name: str
    args: tuple[Any, ...] | None = None
    state: Any = None
    items: list[tuple[Any, Any]] = field(default_factory=list)


class InertReader:
    """Reads pickles of any protocol, one after another, from a file of bytes.

    Strings of Python 2 become text by latin-1, which loses nothing.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file
        self.made: list[Inert] = []
        self._stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[int, Any] = {}

    def read(self) -> Any:
        """Return what the next pickle holds; the file then stands right behind it.

        Raises:
            InputError: it names what only runs programs; nothing of it is run all the same.
            ValueError: it is no sound pickle.
        """
        self._stack, self._marks, self._memo = [], [], {}
        try:
            for opcode, argument, _ in pickletools.genops(self.file):
                self._follow(opcode.name, argument)
            return self._stack.pop()
        except (ArithmeticError, AttributeError, LookupError, TypeError) as error:
            raise ValueError(f"no sound pickle ({type(error).__name__}: {error})") from error

    def _follow(self, name: str, argument: Any) -> None:
        if name in _LITERALS:
            self._stack.append(argument)
        elif name in _CONSTANTS:
            self._stack.append(_CONSTANTS[name])
        elif name in _EMPTY:
            self._stack.append(_EMPTY[name]())
        elif name in self._INSTRUCTIONS:
            self._INSTRUCTIONS[name](self, argument)
        elif name not in ("PROTO", "FRAME", "STOP"):
            raise ValueError(f"the instruction {name} has no place in a file of weights")

    def _marked(self) -> list[Any]:
        start = self._marks.pop()
        found = self._stack[start:]
        del self._stack[start:]
        return found

    # The instructions; what each does is told in the source of pickletools.

    def _mark(self, _: Any) -> None:
        self._marks.append(len(self._stack))

    def _pop(self, _: Any) -> None:
        if self._marks and self._marks[-1] == len(self._stack):
            self._marks.pop()
        else:
            self._stack.pop()

    def _pop_mark(self, _: Any) -> None:
        self._marked()

    def _duplicate(self, _: Any) -> None:
        self._stack.append(self._stack[-1])

    def _put(self, place: int | None) -> None:
        self._memo[len(self._memo) if place is None else place] = self._stack[-1]

    def _get(self, place: int) -> None:
        self._stack.append(self._memo[place])

    def _list(self, _: Any) -> None:
        self._stack.append(self._marked())

    def _tuple(self, _: Any) -> None:
        self._stack.append(tuple(self._marked()))

    def _short_tuple(self, length: int) -> None:
        if len(self._stack) < length:
            raise IndexError("the stack is too short")
        self._stack[-length:] = [tuple(self._stack[-length:])]

    def _dict(self, _: Any) -> None:
        entries = self._marked()
        self._stack.append({})
        self._insert(entries)

    def _append(self, _: Any) -> None:
        self._extend([self._stack.pop()])

    def _appends(self, _: Any) -> None:
        self._extend(self._marked())

    def _extend(self, values: list[Any]) -> None:
        holder = self._stack[-1]
        if isinstance(holder, list):
            holder.extend(values)
        elif not isinstance(holder, Inert):
            raise TypeError(f"a {type(holder).__name__} takes no items")

    def _set_item(self, _: Any) -> None:
        value = self._stack.pop()
        key = self._stack.pop()
        self._insert([key, value])

    def _set_items(self, _: Any) -> None:
        self._insert(self._marked())

    def _insert(self, entries: list[Any]) -> None:
        holder = self._stack[-1]
        pairs = [(_key(k), v) for k, v in zip(entries[::2], entries[1::2], strict=True)]
        if isinstance(holder, Inert):
            holder.items += pairs
        elif isinstance(holder, dict):
            holder.update(pairs)
        else:
            raise TypeError(f"a {type(holder).__name__} takes no keys")

    def _name(self, argument: str) -> None:
        module, _, name = argument.partition(" ")
        self._stack.append(Inert(_harmless(module, name)))

    def _name_from_stack(self, _: Any) -> None:
        name, module = self._stack.pop(), self._stack.pop()
        if not (isinstance(module, str) and isinstance(name, str)):
            raise TypeError("a class has no name")
        self._stack.append(Inert(_harmless(module, name)))

    def _extension(self, number: int) -> None:
        self._stack.append(Inert(f"extension {number}"))

    def _call(self, _: Any) -> None:
        args = self._stack.pop()
        self._stand_in(self._stack.pop(), args)

    def _call_with_names(self, _: Any) -> None:
        names = self._stack.pop()
        args = self._stack.pop()
        self._stand_in(self._stack.pop(), (*args, names))

    def _instance(self, argument: str) -> None:
        args = self._marked()
        self._name(argument)
        self._stand_in(self._stack.pop(), tuple(args))

    def _object(self, _: Any) -> None:
        callee, *args = self._marked()
        self._stand_in(callee, tuple(args))

    def _stand_in(self, callee: Any, args: Any) -> None:
        if not isinstance(args, tuple):
            raise TypeError("a call has no arguments")
        if not isinstance(callee, Inert):
            raise TypeError(f"a {type(callee).__name__} is called")
        name = _class_name(callee)
        if name in ("copyreg._reconstructor", "copy_reg._reconstructor", "copyreg.__newobj__"):
            name = _class_name(args[0])  # these make an object of the class that they are given
        self._stack.append(Inert(name, args))
        self.made.append(self._stack[-1])

    def _build(self, _: Any) -> None:
        state = self._stack.pop()
        holder = self._stack[-1]
        if isinstance(holder, Inert):
            holder.state = state

    def _persistent(self, argument: Any) -> None:
        self._stack.append(Inert(PERSISTENT, (argument,)))
        self.made.append(self._stack[-1])

    def _persistent_from_stack(self, _: Any) -> None:
        self._persistent(self._stack.pop())

    _INSTRUCTIONS: ClassVar[dict[str, Callable[[InertReader, Any], None]]] = {
        "MARK": _mark,
        "POP": _pop,
        "POP_MARK": _pop_mark,
        "DUP": _duplicate,
        **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"), _put),
        **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), _get),
        **dict.fromkeys(("LIST", "FROZENSET"), _list),
        "TUPLE": _tuple,
        "TUPLE1": lambda self, _: self._short_tuple(1),
        "TUPLE2": lambda self, _: self._short_tuple(2),
        "TUPLE3": lambda self, _: self._short_tuple(3),
        "DICT": _dict,
        "APPEND": _append,
        **dict.fromkeys(("APPENDS", "ADDITEMS"), _appends),
        "SETITEM": _set_item,
        "SETITEMS": _set_items,
        "GLOBAL": _name,
        "STACK_GLOBAL": _name_from_stack,
        **dict.fromkeys(("EXT1", "EXT2", "EXT4"), _extension),
        **dict.fromkeys(("REDUCE", "NEWOBJ"), _call),
        "NEWOBJ_EX": _call_with_names,
        "INST": _instance,
        "OBJ": _object,
        "BUILD": _build,
        "PERSID": _persistent,
        "BINPERSID": _persistent_from_stack,
    }


def _class_name(callee: Inert) -> str:
    """Return what is called; torch before 1.6 keeps modules' classes outside of the pickle."""
    stored = callee.args[0] if callee.name == PERSISTENT and callee.args else ()
    if isinstance(stored, tuple) and stored[:1] == ("module",) and len(stored) > 1:
        return str(stored[1].name)
    return callee.name


def _key(key: Any) -> Any:
    """Return a key that is quick to hash and compare; any other is put into an :class:`Inert`."""
    plain = key is None or type(key) in (str, bytes, bool)
    if plain or (type(key) is int and abs(key) < _LARGEST_KEY):
        return key
    return Inert("key", (key,))


def _harmless(module: str, name: str) -> str:
    """Return a dotted name, or refuse a file that has no honest use for what it names.

    Nothing would run either way: this only tells that the file is a trap.
    """
    parts = f"{module}.{name}".split(".")
    builtin = parts[0] in ("builtins", "__builtin__") and parts[1] in _HARMFUL_BUILTINS
    if builtin or parts[0] in _HARMFUL_MODULES:
        raise InputError(
            f"is a pickle that wants to run code ({'.'.join(parts)[:80]!r}) and is refused; "
            "nothing of it was run: use weights from elsewhere, as a state dict or as safetensors"
        )
    return ".".join(parts)
