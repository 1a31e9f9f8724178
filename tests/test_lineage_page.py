"""The page of `seeknal lineage --html`, in a real browser without a network."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from seeknal_git.report.lineage import as_html
from tests.browser import NAMES, Browser, browser, executable

pytestmark = pytest.mark.skipif(
    executable() is None, reason=f"needs one of {', '.join(NAMES)} on PATH"
)

LAYERS = 6
HOSTILE = "</script><img src=x onerror=\"document.title='hacked'\"><!--'&quot;"
TARGET = "transform.stage_3_0"


def node(identifier: str, layer: int = 0, **more: Any) -> dict[str, Any]:
    kind, _, name = identifier.partition(".")
    place = {"path": f"seeknal/{kind}s/{name}.yml", "line": 1}
    said = {"description": None, "change": None, "state": None, "why": None}
    return {
        "id": identifier,
        "kind": kind,
        "layer": layer,
        "columns": [],
        "rows": [],
        **place,
        **said,
        **more,
    }


def column(name: str, *reads: tuple[str, str]) -> dict[str, Any]:
    return {
        "name": name,
        "type": "INTEGER",
        "change": None,
        "reads": [list(each) for each in reads],
    }


def lineage(count: int, columns: int = 10) -> dict[str, Any]:
    """Layers of nodes, each of which reads two of the layer before, with columns that read one or
    two columns."""
    chance, layers, edges = random.Random(7), [list[dict[str, Any]]() for _ in range(LAYERS)], []
    for number in range(count):
        layer = number % LAYERS
        kind, before = ("transform", layers[layer - 1]) if layer else ("source", [])
        inputs = chance.sample([each["id"] for each in before], min(2, len(before)))
        identifier = f"{kind}.stage_{layer}_{number // LAYERS}"
        made = [
            column(
                f"measure_{at}",
                *((each, f"measure_{chance.randrange(columns)}") for each in inputs[: 1 + at % 2]),
            )
            for at in range(columns)
        ]
        layers[layer].append(
            node(identifier, layer, columns=made, rows=[[each, "measure_0"] for each in inputs])
        )
        edges += [[each, identifier] for each in inputs]
    return {
        "project": "shop",
        "branch": "dev",
        "nodes": [each for layer in layers for each in layer],
        "edges": edges,
    }


def reachable(start: str, pairs: Iterable[tuple[str, str]]) -> set[str]:
    """Everything downstream of a start; turn the pairs around for what is upstream."""
    readers: dict[str, set[str]] = {}
    for before, after in pairs:
        readers.setdefault(before, set()).add(after)
    seen, waiting = set[str](), [start]
    while waiting:
        new = readers.get(waiting.pop(), set()) - seen
        seen |= new
        waiting += new
    return seen


def turned(pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(after, before) for before, after in pairs]


def column_pairs(shown: dict[str, Any]) -> list[tuple[str, str]]:
    return [
        (f"{read[0]}.{read[1]}", f"{each['id']}.{made['name']}")
        for each in shown["nodes"]
        for made in each["columns"]
        for read in made["reads"]
    ]


@pytest.fixture(scope="module")
def tab() -> Iterator[Browser]:
    with browser() as opened:
        yield opened


@pytest.fixture
def show(tab: Browser, tmp_path: Path) -> Any:
    def shown(data: dict[str, Any], hash_: str = "") -> Browser:
        page = tmp_path / "lineage.html"
        page.write_text(as_html(data), "utf-8")
        tab.open(page.as_uri() + hash_)
        return tab

    return shown


def marked(tab: Browser, name: str) -> set[str]:
    return set(
        tab.run(f"[...document.querySelectorAll('.node.{name}')].map(each => each.dataset.node)")
    )


def listed(tab: Browser, name: str) -> set[str]:
    return set(
        tab.run(
            f"[...document.querySelectorAll('[data-list={name}] .entry')].map(e => Object.values(e.dataset)[0])"
        )
    )


def effective_font(tab: Browser, identifier: str) -> float:
    selector = json.dumps(f"[data-node='{identifier}'] b")
    return float(
        tab.run(
            f"parseFloat(getComputedStyle(document.querySelector({selector})).fontSize) * view.scale"
        )
    )


@pytest.mark.parametrize(
    "count", [pytest.param(number, id=f"{number} nodes") for number in (0, 1, 12, 200, 2000)]
)
def test_all_nodes_fit_into_the_window_and_none_covers_another(show: Any, count: int) -> None:
    tab = show(lineage(count))
    tab.press("0")
    boxes = tab.run(
        "[...document.querySelectorAll('.node')].map(each => each.getBoundingClientRect())"
        ".map(r => [r.left, r.top, r.right, r.bottom])"
    )
    left, top, right, bottom = tab.run(
        "(r => [r.left, r.top, r.right, r.bottom])(document.querySelector('main').getBoundingClientRect())"
    )
    assert len(boxes) == count
    assert all(left <= a and top <= b and c <= right and d <= bottom for a, b, c, d in boxes)
    boxes.sort()
    for at, (_, upper, end, lower) in enumerate(boxes):
        beside = (each for each in boxes[at + 1 :] if each[0] < end)
        assert not any(each[1] < lower and upper < each[3] for each in beside)
    assert tab.errors == []


def first_names(tab: Browser) -> dict[str, float]:
    """The nodes that are in the window, at least in part, with the size of their names on the
    screen."""
    return dict(
        tab.run(
            "(map => [...document.querySelectorAll('.node')].filter(each => { const r = each.getBoundingClientRect();"
            " return r.right > map.left && r.left < map.right && r.bottom > map.top && r.top < map.bottom; })"
            ".map(each => [each.dataset.node,"
            " parseFloat(getComputedStyle(each.querySelector('b')).fontSize) * view.scale]))"
            "(document.querySelector('main').getBoundingClientRect())"
        )
    )


def has_more(tab: Browser) -> bool:
    return bool(tab.run("!document.querySelector('#mini').hasAttribute('hidden')"))


@pytest.mark.parametrize(
    "count", [pytest.param(number, id=f"{number} nodes") for number in (12, 100, 200, 300)]
)
def test_the_first_view_can_be_read(show: Any, count: int) -> None:
    tab = show(lineage(count))
    names = first_names(tab)
    assert min(names.values()) >= 10
    assert len(names) >= min(count, 60)
    assert any(each.startswith("source.") for each in names), "it begins where the data begins"
    assert has_more(tab) == (len(names) < count)


def test_long_names_can_be_read_at_first(show: Any) -> None:
    data = lineage(60)
    data["nodes"][0]["id"] = "source." + "_".join(["exceedingly", "long"] * 4)
    assert min(first_names(show(data)).values()) >= 10


def test_the_first_view_of_a_branch_is_what_it_changes_most(show: Any) -> None:
    data = lineage(200)
    far = {
        "transform.stage_5_0": "METADATA",
        "transform.stage_5_32": "BREAKING",
        "source.stage_0_33": "NEW",
    }
    for each in data["nodes"]:
        each["change"] = far.get(each["id"])
    assert "transform.stage_5_32" in first_names(show(data))


def test_the_small_map_leads_to_what_is_not_in_the_window(show: Any) -> None:
    tab = show(lineage(200))
    before = first_names(tab)
    x, y = tab.run(
        "(r => [r.right - 60, r.bottom - 12])(document.querySelector('#mini').getBoundingClientRect())"
    )
    for kind in ("mousePressed", "mouseReleased"):
        tab.call(
            "Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", buttons=1, clickCount=1
        )
    tab.settle()
    assert len(first_names(tab).keys() - before.keys()) > 20
    assert marked(tab, "selected") == set()
    tab.press("0")
    assert not has_more(tab)


def test_text_can_be_read_at_one_key_and_where_somebody_selects(show: Any) -> None:
    tab = show(lineage(200))
    tab.press("1")
    assert effective_font(tab, TARGET) >= 12
    tab.press("0")
    tab.click(f"[data-node='{TARGET}']")
    assert marked(tab, "selected") == {TARGET}
    assert effective_font(tab, TARGET) >= 10


def test_a_node_lights_what_is_upstream_and_downstream(show: Any) -> None:
    data = lineage(200)
    tab = show(data)
    tab.press("0")
    tab.click(f"[data-node='{TARGET}']")
    expected = (
        {TARGET} | reachable(TARGET, data["edges"]) | reachable(TARGET, turned(data["edges"]))
    )
    assert marked(tab, "lit") == expected
    assert marked(tab, "dimmed") == {each["id"] for each in data["nodes"]} - expected
    assert listed(tab, "columns") == {f"{TARGET}.measure_{at}" for at in range(10)}
    assert f"seeknal/transforms/{TARGET.partition('.')[2]}.yml:1" in tab.run(
        "document.querySelector('aside').innerText"
    )


@pytest.mark.parametrize("name", ["measure_2", "measure_5"])
def test_a_column_lights_exactly_what_feeds_it_and_what_it_feeds(show: Any, name: str) -> None:
    data = lineage(200)
    tab = show(data, f"#{TARGET}")
    key, pairs = f"{TARGET}.{name}", column_pairs(data)
    tab.click(f"[data-list=columns] [data-column='{key}']")
    up, down = reachable(key, turned(pairs)), reachable(key, pairs)
    assert up
    assert down
    assert (listed(tab, "fed-by"), listed(tab, "feeds")) == (up, down)
    assert marked(tab, "lit") == {each.rpartition(".")[0] for each in {key} | up | down}
    named = tab.run(
        "[...document.querySelectorAll('.lit')].map(e => [e.dataset.node, e.querySelector('i').textContent])"
    )
    assert {f"{at}.{each}" for at, names in named for each in names.split(", ")} == {
        key
    } | up | down
    assert tab.run("location.hash") == f"#{key}"


@pytest.mark.parametrize(
    ("hash_", "selected"), [("", TARGET), ("#source.stage_0_0", "source.stage_0_0")]
)
def test_the_page_opens_with_what_was_asked_for_or_what_its_address_says(
    show: Any, hash_: str, selected: str
) -> None:
    tab = show(lineage(60) | {"selected": f"{TARGET}.measure_1"}, hash_)
    tab.settle()
    assert marked(tab, "selected") == {selected}
    tab.press("Escape")
    assert marked(tab, "selected") == set()


def test_an_entry_of_a_list_leads_on_and_the_way_back_works(show: Any) -> None:
    tab = show(lineage(60), f"#{TARGET}.measure_1")
    first = tab.run("document.querySelector('[data-list=fed-by] .entry').dataset.column")
    tab.click("[data-list=fed-by] .entry")
    assert tab.run("location.hash") == f"#{first}"
    assert marked(tab, "selected") == {first.rpartition(".")[0]}
    tab.run("history.back()")
    tab.wait(f"location.hash === '#{TARGET}.measure_1'")
    tab.settle()
    assert marked(tab, "selected") == {TARGET}


def test_escape_clears_the_selection_the_search_and_the_address(show: Any) -> None:
    tab = show(lineage(60), f"#{TARGET}")
    tab.press("/")
    tab.type("measure_3")
    tab.press("Escape")
    assert marked(tab, "lit") | marked(tab, "dimmed") | marked(tab, "selected") == set()
    assert tab.run("location.hash + document.querySelector('input').value") == ""


def test_a_search_finds_a_column_and_enter_goes_there(show: Any) -> None:
    data = lineage(60)
    data["nodes"][40]["columns"].append(column("Gross_Margin"))
    owner = data["nodes"][40]["id"]
    tab = show(data)
    tab.press("/")
    tab.type("gross_m")
    assert marked(tab, "lit") == {owner}
    assert len(marked(tab, "dimmed")) == 59
    assert listed(tab, "hits") == {f"{owner}.Gross_Margin"}
    tab.press("Enter")
    assert tab.run("location.hash") == f"#{owner}.Gross_Margin"


def test_enter_goes_through_all_matches(show: Any) -> None:
    tab = show(lineage(60))
    tab.press("/")
    tab.type("stage_3_")
    seen = []
    for _ in range(3):
        tab.press("Enter")
        seen.append(tab.run("location.hash"))
    assert seen == ["#transform.stage_3_0", "#transform.stage_3_1", "#transform.stage_3_2"]


def test_a_selected_lineage_can_be_shown_alone(show: Any) -> None:
    data = lineage(200)
    tab = show(data, f"#{TARGET}")
    tab.press("a")
    shown = set(
        tab.run(
            "[...document.querySelectorAll('.node:not([hidden])')].map(each => each.dataset.node)"
        )
    )
    assert shown == {TARGET} | reachable(TARGET, data["edges"]) | reachable(
        TARGET, turned(data["edges"])
    )
    tab.press("Escape")
    assert tab.run("document.querySelectorAll('.node:not([hidden])').length") == 200


def test_the_keyboard_alone_leads_along_the_edges(show: Any) -> None:
    data = lineage(60)
    tab = show(data)
    tab.run(f"document.querySelector('[data-node=\"{TARGET}\"]').focus()")
    tab.run(f"go('{TARGET}')")
    tab.settle()
    tab.press("ArrowLeft")
    focused = tab.run("document.activeElement.dataset.node")
    assert [focused, TARGET] in data["edges"]
    tab.press("Enter")
    assert marked(tab, "selected") == {focused}


def test_the_plan_is_told_in_colours_and_in_words(show: Any) -> None:
    changes = ["BREAKING", "NON_BREAKING", "METADATA", "NEW", "REMOVED"]
    nodes = [node(f"transform.{each.lower()}", change=each) for each in changes]
    nodes.append(
        node(
            "transform.reader", 1, state="build", why="reads transform.breaking, which is breaking"
        )
    )
    data = {
        "project": "shop",
        "branch": "dev",
        "nodes": nodes,
        "edges": [["transform.breaking", "transform.reader"]],
    }
    tab = show(data, "#transform.reader")
    assert "reads transform.breaking" in tab.run("document.querySelector('aside').innerText")
    tab.press("Escape")
    tab.press("1")
    style = "getComputedStyle(document.querySelector('[data-node=\"transform.{}\"]{}')).{}"
    marks = {each: tab.run(style.format(each.lower(), " em", "color")) for each in changes}
    assert (
        len({marks[each] for each in changes}) == 4
    )  # METADATA and REMOVED share their grey; REMOVED is struck
    assert tab.run(style.format("removed", " b", "textDecorationLine")) == "line-through"
    assert tab.run(style.format("reader", "", "borderTopWidth")) == "2px"
    legend = tab.run("[...document.querySelectorAll('#legend span')].map(each => each.textContent)")
    assert legend == ["breaking", "non-breaking", "new", "metadata", "removed", "to build"]


def test_the_legend_shows_only_what_occurs(show: Any) -> None:
    assert show(lineage(12)).run("document.querySelector('#legend').children.length") == 0


def test_a_hostile_name_is_only_text(show: Any) -> None:
    identifier = f"transform.{HOSTILE}"
    hostile = node(
        identifier,
        description=HOSTILE,
        why=HOSTILE,
        columns=[column(HOSTILE)],
        rows=[[identifier, HOSTILE]],
    )
    data = {
        "project": HOSTILE,
        "branch": HOSTILE,
        "nodes": [hostile, node("exposure.end", 1)],
        "edges": [[identifier, "exposure.end"]],
    }
    tab = show(data)
    tab.click(".node")
    assert marked(tab, "selected") == {identifier}
    tab.click("[data-list=columns] .entry")
    assert tab.run("document.querySelector('aside h2').textContent") == HOSTILE
    tab.press("/")
    tab.type("</script>")
    tab.press("Enter")
    assert tab.run("document.images.length") == 0
    assert tab.run("document.title") == f"{HOSTILE}: lineage"
    assert (tab.errors, len(tab.requests)) == ([], 1)


def test_the_page_asks_nobody_for_anything(show: Any) -> None:
    tab = show(lineage(60), f"#{TARGET}.measure_1")
    assert [
        address.partition(":")[0] for address in tab.requests if not address.startswith("data:")
    ] == ["file"]
    assert (
        re.findall(r"https?:|\b(?:src|href)=(?!\"data:)|@import|url\(", as_html(lineage(0))) == []
    )


def test_the_mouse_pans_and_zooms_without_selecting(show: Any) -> None:
    tab = show(lineage(12))
    x, y = tab.run(
        "(r => [r.x + 20, r.y + 10])(document.querySelector('.node').getBoundingClientRect())"
    )
    before = tab.run("({...view})")
    for kind, way in [
        ("mousePressed", 0),
        ("mouseMoved", 20),
        ("mouseMoved", 60),
        ("mouseReleased", 60),
    ]:
        tab.call(
            "Input.dispatchMouseEvent",
            type=kind,
            x=x + way,
            y=y,
            button="left",
            buttons=1,
            clickCount=1,
        )
    tab.settle()
    assert tab.run("({...view})") == before | {"x": before["x"] + 60}
    assert marked(tab, "selected") == set()
    under = "document.elementFromPoint(300, 300).closest('main') && (300 - view.x) / view.scale"
    held = tab.run(under)
    tab.call("Input.dispatchMouseEvent", type="mouseWheel", x=300, y=300, deltaX=0, deltaY=-200)
    tab.wait(f"view.scale > {before['scale']}")
    assert tab.run(under) == pytest.approx(held)
