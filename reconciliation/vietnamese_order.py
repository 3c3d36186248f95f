"""The order of the Vietnamese alphabet, for names that people look up in a list."""

import unicodedata

_LETTERS = "aăâbcdđeêfghijklmnoôơpqrstuưvwxyz"
_PLACES = {letter: (1, place) for place, letter in enumerate(_LETTERS)}
_TONES = {"\u0300": 1, "\u0309": 2, "\u0303": 3, "\u0301": 4, "\u0323": 5}
"""Huyền, hỏi, ngã, sắc, nặng, in the order of dictionaries; a letter without a tone comes before."""
Place = tuple[list[tuple[int, int]], list[int], str]


def place(name: str) -> Place:
    """Return what names are sorted by: letters first, tones only between names of the same letters.

    PostgreSQL's own collation would need ICU, which not every build of it has.
    """
    letters: list[tuple[int, int]] = []
    tones: list[int] = []
    for sign in unicodedata.normalize("NFC", name.casefold()):
        apart = unicodedata.normalize("NFD", sign)
        letter = unicodedata.normalize("NFC", "".join(one for one in apart if one not in _TONES))
        # Spaces, digits and signs come before letters; letters of other alphabets after them.
        letters += [_PLACES.get(one, (2 if one.isalpha() else 0, ord(one))) for one in letter]
        tones += [next((_TONES[one] for one in apart if one in _TONES), 0)]
    return letters, tones, name
