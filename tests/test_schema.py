"""`--schema`: a user's own Pydantic model or JSON Schema is asked for strictly, and holds answers to its rules."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.test_model_answer import strict_mode_breaches

from counterfoil.document import Data
from counterfoil.errors import SetupError
from counterfoil.form import MisfitError
from counterfoil.schema_load import load_schema

ORDER = '''
from __future__ import annotations
from datetime import date
from decimal import Decimal
from typing import Literal
from pydantic import BaseModel, Field, model_validator

class Party(BaseModel):
    name: str
    country: str | None = None

class Line(BaseModel):
    description: str
    quantity: Decimal = Field(gt=0)
    net: Decimal

class Order(BaseModel):
    """A purchase order."""
    number: str = Field(pattern=r"^PO-\\d+$", description="number of the order")
    ordered: date
    buyer: Party
    seller: Party | None = None
    kind: Literal["standard", "blanket"] = "standard"
    pieces: int = 0
    weight: float | None = None
    lines: list[Line]
    total: Decimal

    @model_validator(mode="after")
    def adds_up(self):
        lines = sum(line.net for line in self.lines)
        if lines != self.total:
            raise ValueError(f"the lines add up to {lines}, not to the total {self.total}")
        return self

class Node(BaseModel):
    name: str
    children: list[Node]

class Keys(BaseModel):
    prices: dict[str, Decimal]

class Anything(BaseModel):
    x: object
'''
RECEIPT = {
    "title": "Receipt",
    "type": "object",
    "properties": {
        "shop": {"type": "string", "minLength": 2},
        "day": {"type": "string", "format": "date"},
        "total": {"$ref": "#/$defs/amount"},
        "count": {"type": "integer"},
        "note": {"type": "string"},
    },
    "required": ["shop", "total"],
    "$defs": {"amount": {"type": "number", "minimum": 0, "multipleOf": 0.01}},
}
SAID: dict[str, Any] = {
    "number": "PO-1",
    "ordered": "2026-02-01",
    "buyer": {"name": "Café", "country": None},
    "seller": None,
    "kind": None,
    "pieces": None,
    "weight": 1.5,
    "lines": [{"description": "Paper", "quantity": 2, "net": 10.1}],
    "total": 10.1,
}
Spec = Callable[[str], str]


@pytest.fixture
def order(tmp_path: Path) -> Spec:
    """Names a class of the user's file `orders.py`."""
    (tmp_path / "orders.py").write_text(ORDER)
    return lambda name: f"{tmp_path / 'orders.py'}:{name}"


@pytest.fixture
def receipt(tmp_path: Path) -> str:
    """The user's JSON Schema file."""
    path = tmp_path / "receipt.json"
    path.write_text(json.dumps(RECEIPT))
    return str(path)


def said(**changes: Any) -> str:
    """An answer for an `Order`."""
    return json.dumps(SAID | changes)


def test_what_goes_out_is_in_strict_form(order: Spec, receipt: str):
    """All required, no others, no keyword that a provider refuses; a rule that it can't hold is told in words."""
    for spec in (order("Order"), receipt):
        form = load_schema(spec).form
        assert strict_mode_breaches(dict(form.schema)) == []
    assert form.schema["properties"]["total"]["description"] == "(minimum: 0; multipleOf: 0.01)"


def test_a_real_union_stays_one(receipt: str):
    """Each of its parts in strict form; a text or a number, and an object that may be null, need none."""
    parts = [{"type": "object", "properties": {name: {"type": "string"}}} for name in "ab"]
    properties = {
        "either": {"oneOf": parts},
        "plain": {"type": ["string", "number"]},
        "maybe": {"anyOf": [parts[0], {"type": "null"}]},
        "list": {"anyOf": [{"type": "array", "items": {"enum": ["a", 1]}}, {"type": "null"}]},
    }
    Path(receipt).write_text(json.dumps({"type": "object", "properties": properties}))
    asked = load_schema(receipt).form.schema["properties"]
    assert [strict_mode_breaches(part) for part in asked["either"]["anyOf"]] == [[], []]
    assert asked["plain"]["type"] == ["string", "number", "null"]
    assert asked["maybe"]["type"] == ["object", "null"]
    assert asked["list"]["type"] == ["array", "null"]
    assert asked["list"]["items"] == {"type": ["string", "integer", "null"], "enum": ["a", 1, None]}


def test_a_value_may_be_null_wherever_it_stands(order: Spec):
    """Also where the model requires it: what a document does not say must not be made up; the schema then says so."""
    properties = load_schema(order("Order")).form.schema["properties"]
    assert properties["number"]["type"] == ["string", "null"]
    assert properties["kind"]["enum"] == ["standard", "blanket", None]
    assert properties["lines"]["items"]["properties"]["net"]["type"] == ["number", "null"]
    with pytest.raises(MisfitError, match="number: Input should be a valid string"):
        load_schema(order("Order")).form.parse(said(number=None))


def test_an_answer_becomes_the_users_data(order: Spec):
    """Nulls of fields that may be left out become their defaults; decimals are text, dates are ISO."""
    data = load_schema(order("Order")).form.parse(said())
    assert isinstance(data, Data)
    assert data.values == SAID | {
        "kind": "standard",
        "pieces": 0,
        "lines": [{"description": "Paper", "quantity": "2", "net": "10.1"}],
        "total": "10.1",
    }
    assert data.findings == ()


@pytest.mark.parametrize("which", ["order", "receipt"])
def test_no_digit_of_an_amount_is_lost(which: str, order: Spec, receipt: str):
    """Neither to a float nor to a rounding: it goes from the model's text to a `Decimal`."""
    exact = "9007199254740993.10"
    if which == "order":
        text, form = said().replace("10.1", exact), load_schema(order("Order")).form
    else:
        text = '{"shop": "ABC", "day": null, "total": 9007199254740993.10, "count": 3, "note": null}'
        form = load_schema(receipt).form
    data = form.parse(text)
    assert isinstance(data, Data)
    assert data.values["total"] == exact


def test_a_validators_own_words_go_back_to_the_model(order: Spec):
    """And what the answer said is kept, for a person to look at, with a finding."""
    with pytest.raises(MisfitError, match=r"^the lines add up to 10\.1, not to the total 11$") as misfit:
        load_schema(order("Order")).form.parse(said(total=11))
    rest = misfit.value.rest
    assert rest is not None
    assert rest.values["total"] == "11"
    assert [(f.code, f.severity) for f in rest.findings] == [("schema.refused", "error")]


def test_a_json_schemas_rules_hold_though_providers_don_t_know_them(receipt: str):
    """Formats, lengths, multiples: `jsonschema` has the last word."""
    parse = load_schema(receipt).form.parse
    with pytest.raises(MisfitError) as misfit:
        parse('{"shop": "A", "day": "2026-02-30", "total": 1.005, "count": 1.5, "note": null}')
    for field in ("shop", "day", "total", "count"):
        assert f"{field}: " in str(misfit.value)


@pytest.mark.parametrize("day", [20260201, "20260201", "1.2.2026"])
def test_a_date_is_never_made_of_a_number(day: object, order: Spec):
    """pydantic would read one as seconds since 1970."""
    with pytest.raises(MisfitError, match="ordered: must be a string YYYY-MM-DD"):
        load_schema(order("Order")).form.parse(said(ordered=day))


def test_the_digits_of_a_number_do_for_a_text(order: Spec):
    """Models give article numbers so."""
    data = load_schema(order("Order")).form.parse(said(buyer={"name": 4711, "country": None}))
    assert isinstance(data, Data)
    assert data.values["buyer"]["name"] == "4711"


def test_an_answer_without_the_keys_or_without_anything_is_no_reading(receipt: str):
    """The one is sent back, the other goes to review."""
    parse = load_schema(receipt).form.parse
    with pytest.raises(MisfitError, match="keys are missing: day, total, count, note"):
        parse('{"shop": "ABC"}')
    optional = {"type": "object", "properties": {"a": {"type": "string"}}}
    Path(receipt).write_text(json.dumps(optional))
    empty = load_schema(receipt).form.parse('{"a": null}')
    assert isinstance(empty, Data)
    assert [(f.code, f.severity) for f in empty.findings] == [("schema.empty", "error")]


def test_the_digest_is_of_all_that_can_change_a_result(order: Spec, tmp_path: Path):
    """Validators too, which no JSON Schema shows; where the file lies does not matter."""
    first = load_schema(order("Order")).digest
    (tmp_path / "elsewhere").mkdir()
    other = tmp_path / "elsewhere" / "copy.py"
    other.write_text(ORDER)
    assert load_schema(f"{other}:Order").digest == first
    other.write_text(ORDER.replace("lines != self.total", "lines > self.total"))
    assert load_schema(f"{other}:Order").digest != first


def test_columns_are_the_schemas_fields(order: Spec):
    """Objects flat with dots, lists of objects with columns of their own, each with its kind."""
    assert load_schema(order("Order")).columns == {
        "number": "text",
        "ordered": "date",
        "buyer.name": "text",
        "buyer.country": "text",
        "seller.name": "text",
        "seller.country": "text",
        "kind": "text",
        "pieces": "integer",
        "weight": "number",
        "lines": {"description": "text", "quantity": "decimal", "net": "decimal"},
        "total": "decimal",
    }


def test_a_schema_in_a_package_is_found_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """From the current folder, as `python -m` would."""
    (tmp_path / "own_models.py").write_text(ORDER)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert load_schema("own_models:Order").name == "Order"


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("Nobody", "has no Pydantic model Nobody; those it has: Party, Line, Order, Node, Keys, Anything"),
        ("Node", r"children\[\] refers back to #/\$defs/Node: providers take no schema that contains itself"),
        ("Keys", "prices is an object of any keys, which can't be asked for: name its properties"),
        ("Anything", "x has no type"),
        ("", "it names no class: write FILE.py:CLASS"),
    ],
)
def test_a_model_that_can_not_be_asked_for_gets_one_sentence(name: str, why: str, order: Spec):
    """That names the place."""
    with pytest.raises(SetupError, match=rf"--schema .*: .*{why}"):
        load_schema(order(name))


@pytest.mark.parametrize(
    ("file", "content", "why"),
    [
        ("a.py:M", "class M(:\n  pass", "line 1 of .*a.py: invalid syntax"),
        ("a.py:M", "x = 1\nimport nothing_like_it", "line 2 of .*a.py: ModuleNotFoundError: No module named"),
        ("a.py:M", "x = 1\n\n1 / 0", "line 3 of .*a.py: ZeroDivisionError: division by zero"),
        ("a.json", '{"type": \n "object",}', "it is not JSON: .*line 2"),
        ("a.json", "[]", "the file must hold one JSON object"),
        ("a.json", '{"type": "array", "items": {"type": "string"}}', "no schema of one: name the fields of an object"),
        ("a.json", '{"type": "objekt"}', "it is no JSON Schema: "),
        ("a.json", '{"type": "object", "properties": {"a": {"$ref": "#/$defs/b"}}}', "does not exist|not there"),
        ("a.json", '{"type": "object", "properties": {"a": {"$ref": "http://h.invalid/b"}}}', "nothing is fetched"),
        ("a.json", '{"type": "object", "properties": {"a": {"type": "array"}}}', "a is a list without one schema"),
        ("a.json", '{"type": "object", "properties": {"a": true}}', "a may be anything: give it a type"),
        ("a.json", '{"type": "object"}', "the schema is an object of any keys"),
        ("a.json", None, "can't read it: No such file or directory"),
        ("a.py:M", None, "can't read it: No such file or directory"),
        ("no_such_package.models:M", None, "there is no module no_such_package"),
    ],
)
def test_a_file_that_is_no_schema_gets_one_sentence(file: str, content: str | None, why: str, tmp_path: Path):
    """With the line where there is one."""
    where = tmp_path / file if "." in file and not file.startswith("no_such") else file
    if content is not None:
        Path(str(where).removesuffix(":M")).write_text(content)
    with pytest.raises(SetupError, match=why) as error:
        load_schema(str(where))
    assert "\n" not in str(error.value)


def test_a_schema_that_is_too_large_is_refused(receipt: str):
    """It goes with every call. References that double with each level are no way around."""
    level = {
        f"l{n}": {"type": "object", "properties": {k: {"$ref": f"#/$defs/l{n + 1}"} for k in "ab"}} for n in range(9)
    }
    level["l9"] = {"type": "object", "properties": {f"f{n}": {"type": "string"} for n in range(9)}}
    Path(receipt).write_text(json.dumps({"$ref": "#/$defs/l0", "$defs": level}))
    with pytest.raises(SetupError, match="the schema is too large"):
        load_schema(receipt)
    wide = {"type": "object", "properties": {"a": {"type": "string", "description": "x" * 100_001}}}
    Path(receipt).write_text(json.dumps(wide))
    with pytest.raises(SetupError, match="too large to go with every call"):
        load_schema(receipt)
