"""Abbreviations whose full stop belongs to them, and words that betray a new sentence.

Both lists were drawn up from eng.train, eng.testa and common English usage. The tokenizer uses
them to keep or cut a full stop, `sentences.sentence_starts` to tell sentence ends from them.
"""

# Always followed by something, so their full stop is never the end of a sentence.
_TITLES = (
    "Mr Mrs Ms Messrs Mme Mlle Dr Drs Prof Gen Maj Col Capt Cmdr Lt Sgt Cpl Pvt Adm Brig Rev Fr "
    "Hon Sen Sens Rep Reps Gov Pres Amb Atty Supt Insp Ste"
)
_CONNECTIVES = "vs cf e.g i.e viz al approx ca esp incl pp vol vols fig Vol Fig"

# Often last in a sentence; then CoNLL sets the full stop apart.
_COMPANIES = "Inc Corp Co Cos Ltd Bros Assn Dept Univ Inst Intl Natl Mfg Plc Pty Cie Jr Sr Esq"
_MONTHS = "Jan Feb Mar Apr Jun Jul Aug Sep Sept Oct Nov Dec"
_PLACES = (
    "Ala Ariz Ark Calif Colo Conn Del Fla Ga Ill Ind Kan Ky La Md Mass Mich Minn Miss Mo Mont "
    "Neb Nev Okla Ore Pa Penn Tenn Tex Va Vt Wash Wis Wisc Wyo Ont Que Sask Alta Ave Blvd Rd Sq"
)
_UNITS = "etc Ph.D M.D hr hrs min mins oz lb lbs"

# Only an abbreviation in front of a number ("No. 1", "Nos. 3 and 4", "p. 7").
NUMBERED = ("No", "Nos", "no", "nos", "NO", "p", "art", "Art", "Sec", "sec")


def _forms(words: str, *, upper: bool) -> set[str]:
    listed = set(words.split())
    return listed | {word.upper() for word in listed} if upper else listed


ALWAYS = frozenset(_forms(_TITLES, upper=True) | _forms(_CONNECTIVES, upper=False))
# At a line end their sentence more often goes on: "Oct." and "6", "St." and "Louis".
MAY_END_TEXT = frozenset(_forms(f"{_MONTHS} St Mt Ft", upper=True) - {"Mar", "MAR"})
MAY_END = frozenset(_forms(_COMPANIES, upper=True) | _forms(f"{_PLACES} {_UNITS}", upper=False))

# A capitalised word of this kind after "U.S." or "Inc." opens a sentence; names rarely hold one.
_STARTERS = (
    "After Also Although An Another As At Because Before Both But By Despite During Each "
    "Earlier Even For From He Her His How However If In Instead It Its Last Later Many Meanwhile "
    "More Most My Not On One Other Others Our She Since Some Still Such That The Their Then There "
    "These They This Those Though Two Under Until We What When Where While Who Why With Yesterday "
    "Yet You"
)
STARTERS = frozenset(_STARTERS.split())
