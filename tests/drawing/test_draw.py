"""The drawings of every task type, read back as XML."""

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakescale.account import task_types
from fakescale.drawing.draw import draw
from fakescale.drawing.values import Drawing, Point, Subject

SVG = "{http://www.w3.org/2000/svg}"
# Elements and attributes that could load or run something.
ACTIVE = {"script", "style", "foreignObject", "a", "use", "iframe", "animate", "set"}


def drawn(
    type: str,
    response: Any,
    params: Any = None,
    *,
    frame: int = 0,
    without: tuple[str, ...] = (),
    size: Point | None = None,
    **files: Any,
) -> Drawing:
    return draw(Subject(type, params or {}, response, files, frame, frozenset(without), size))


def parsed(drawing: Drawing) -> ET.Element:
    """Return the root of a drawing that is safe, and has a place and a text."""
    root = ET.fromstring(drawing.svg)
    assert root.tag == f"{SVG}svg"
    assert root.get("role") == "img"
    assert root.get("aria-label")
    box = [float(it) for it in (root.get("viewBox") or "").split()]
    assert box == pytest.approx(
        [drawing.left, drawing.top, drawing.width, drawing.height], abs=0.001
    )
    assert box[2] > 0
    assert box[3] > 0
    for element in root.iter():
        assert element.tag.removeprefix(SVG) not in ACTIVE
        for name, value in element.attrib.items():
            assert not name.lower().startswith("on")
            if "href" in name:
                assert value.startswith("data:image/png;base64,")
            assert "url(" not in value or name == "aria-label"
    return root


def found(root: ET.Element, name: str) -> list[ET.Element]:
    return list(root.iter(SVG + name))


def texts(root: ET.Element) -> list[str]:
    return [it.text or "" for it in found(root, "text")]


def extent(element: ET.Element) -> Iterator[Point]:
    """Yield the points that bound a shape."""
    get = {name: float(value) for name, value in element.attrib.items() if _is_number(value)}
    match element.tag.removeprefix(SVG):
        case "rect":
            yield get["x"], get["y"]
            yield get["x"] + get["width"], get["y"] + get["height"]
        case "circle":
            yield get["cx"], get["cy"]
        case "ellipse":
            yield get["cx"], get["cy"]
        case _:
            numbers = re.findall(r"-?[\d.]+", element.get("points") or element.get("d") or "")
            yield from zip(map(float, numbers[::2]), map(float, numbers[1::2]), strict=True)


def _is_number(value: str) -> bool:
    return re.fullmatch(r"-?[\d.]+", value) is not None


def shapes(root: ET.Element) -> dict[str, ET.Element]:
    """Return the colored element of each object, by the text of its title."""
    return {
        title.text or "": list(group)[2]
        for group in found(root, "g")
        if (title := group.find(f"{SVG}title")) is not None
    }


def boxed(label: str, left: float = 10, **more: Any) -> dict[str, Any]:
    place = {"left": left, "top": 20, "width": 100, "height": 50}
    return {"type": "box", "label": label, **place, **more}


def vertices(*pairs: Point) -> list[dict[str, float]]:
    return [{"x": x, "y": y} for x, y in pairs]


def image(*annotations: Any, **more: Any) -> Drawing:
    return drawn("imageannotation", {"annotations": list(annotations)}, **more)


CORNERS = {
    "face-topleft": (0, 0),
    "face-bottomleft": (0, 40),
    "face-topright": (30, 0),
    "face-bottomright": (30, 40),
    "side-topcorner": (50, 5),
    "side-bottomcorner": (50, 35),
}
CUBOID: list[dict[str, Any]] = [
    {"description": name, "x": x, "y": y} for name, (x, y) in CORNERS.items()
]

# A shape of each geometry: its members, the name of its element, and the bounds of its points.
GEOMETRIES: dict[str, tuple[dict[str, Any], str, list[Point]]] = {
    "box": (boxed("l"), "rect", [(10, 20), (110, 70)]),
    "rotated": (
        boxed("l", rotation=0.5, vertices=vertices((0, 0), (9, 1), (8, 5), (1, 4))),
        "polygon",
        [(0, 0), (9, 5)],
    ),
    "polygon": (
        {"vertices": vertices((1, 2), (3, 2), (3, 9))},
        "polygon",
        [(1, 2), (3, 9)],
    ),
    "line": ({"vertices": vertices((1, 2), (3, 2), (3, 9))}, "polyline", [(1, 2), (3, 9)]),
    "point": ({"x": 4, "y": 5}, "circle", [(4, 5), (4, 5)]),
    "ellipse": (
        {"vertices": vertices((50, 0), (100, 50), (50, 100), (0, 50))},
        "ellipse",
        [(50, 50), (50, 50)],
    ),
    "cuboid": ({"vertices": CUBOID}, "path", [(0, 0), (50, 40)]),
}


@pytest.mark.parametrize("name", GEOMETRIES)
def test_a_shape_is_drawn_in_its_place(name: str) -> None:
    members, tag, bounds = GEOMETRIES[name]
    kind = "box" if name == "rotated" else name
    drawing = image({"label": "cat", "attributes": {"big": True}, **members, "type": kind})
    [shape] = drawing.shapes
    assert (shape.kind, drawing.total) == (kind, 1)
    assert shape.text.endswith("attributes: big=yes")
    [(title, element)] = shapes(parsed(drawing)).items()
    assert title.startswith(f"{members.get('label', 'cat')}: ")
    assert element.tag == SVG + tag
    xs, ys = zip(*extent(element), strict=True)
    assert [(min(xs), min(ys)), (max(xs), max(ys))] == bounds


@pytest.mark.parametrize(("x", "near"), [(50, "30"), (-20, "0")])
def test_the_side_of_a_cuboid_begins_at_the_near_edge_of_its_face(x: int, near: str) -> None:
    side = [{**it, "x": x} if "side" in it["description"] else it for it in CUBOID]
    [element] = shapes(parsed(image({"type": "cuboid", "vertices": side}))).values()
    assert (element.get("d") or "").endswith(f"M{near} 0 L{x} 5 L{x} 35 L{near} 40")


def test_an_ellipse_has_the_radii_of_its_vertices() -> None:
    vertical = {"type": "ellipse", "vertices": vertices((50, 0), (60, 50), (50, 100), (40, 50))}
    [element] = found(parsed(image(vertical)), "ellipse")[1:]
    assert (element.get("rx"), element.get("ry")) == ("10", "50")
    assert element.get("transform") == "rotate(0 50 50)"


def test_a_box_that_only_has_a_rotation_turns_clockwise_about_its_middle() -> None:
    turned = boxed("a", left=0, rotation=1.5707963267948966)
    [element] = shapes(parsed(image(turned))).values()
    assert list(extent(element)) == [(75, -5), (75, 95), (25, 95), (25, -5)]


@pytest.mark.parametrize(
    ("type", "annotation", "tag"),
    [
        ("annotation", {"left": 0, "top": 0, "width": 1, "height": 1}, "rect"),
        ("polygonannotation", {"vertices": vertices((0, 0), (1, 1))}, "polygon"),
        ("lineannotation", {"vertices": vertices((0, 0), (1, 1))}, "polyline"),
        ("laneannotation", {"vertices": vertices((0, 0), (1, 1))}, "polyline"),
        ("pointannotation", {"x": 1, "y": 1}, "circle"),
        ("cuboidannotation", {"vertices": CUBOID}, "path"),
        ("lidartopdown", {"type": "polygon", "vertices": vertices((0, 0), (1, 1))}, "polygon"),
    ],
)
def test_a_type_names_the_geometry_of_its_annotations(type: str, annotation: Any, tag: str) -> None:
    [element] = shapes(parsed(drawn(type, {"annotations": [annotation]}))).values()
    assert element.tag == SVG + tag


def test_each_label_has_a_color_a_count_and_a_line_in_the_legend() -> None:
    labels = [f"label {number}" for number in range(8)]
    drawing = image(*map(boxed, labels), boxed("label 3"))
    first = drawing.labels[0]
    assert (first.label, first.count) == ("label 3", 2)
    assert len({it.color for it in drawing.labels}) == 8
    written = texts(parsed(drawing))
    assert {*labels} <= {*written}
    assert {"label 3: 2", "label 1: 1"} <= {*written}
    assert "8 labels: label 3, label 0, " in drawing.svg
    alone = image(boxed("label 3"))
    assert alone.labels[0].label == "label 3"


def test_a_label_has_the_same_color_in_every_frame() -> None:
    params = {"geometries": {"box": {"objects_to_annotate": ["a", {"choice": "b"}, "c"]}}}
    frames = [{"annotations": [boxed("c"), boxed("b")]}, {"annotations": [boxed("b")]}]
    first, second = (
        drawn("videoannotation", {}, params, frame=number, annotations=frames) for number in (0, 1)
    )
    assert {it.label: it.color for it in second.labels}.items() <= {
        it.label: it.color for it in first.labels
    }.items()
    assert (first.frames, first.total, second.total) == (2, 2, 1)


def test_labels_can_be_left_out_and_keep_their_colors() -> None:
    annotations = [boxed("a"), boxed("b"), boxed("a")]
    whole, part = image(*annotations), image(*annotations, without=("a",))
    assert part.labels == whole.labels
    assert [it.label for it in part.shapes] == ["b"]
    assert part.total == 1
    assert "a: 2 (left out)" in texts(parsed(part))


def test_the_border_of_a_picture_is_drawn_and_labels_outside_are_seen() -> None:
    outside = boxed("far", left=500)
    drawing = image(outside, size=(200, 100))
    assert (drawing.left, drawing.top) < (0, 0)
    assert drawing.left + drawing.width > 600
    [border] = [it for it in found(parsed(drawing), "rect") if it.find(f"{SVG}title") is not None]
    assert (border.get("width"), border.get("height")) == ("200", "100")
    assert image(outside).left > 400


def test_what_a_client_sent_is_only_text() -> None:
    evil = "<script>alert(1)</script>&\"'\x00\x0b\ufffe"
    told = "<script>alert(1)</script>&\"'\ufffd\ufffd\ufffd"
    cases = [
        image(boxed(evil, attributes={evil: evil})),
        drawn("namedentityrecognition", {"annotations": [{"label": evil, "start": 0, "end": 2}]},
              {"text": evil}),
        drawn("audiotranscription", {"alignment": [{"word": evil, "start": 0, "end": 1}]}),
        drawn("categorization", {"category": evil}),
    ]  # fmt: skip
    for drawing in cases:
        assert any(told in it for it in texts(parsed(drawing)))
    assert "�" in image(boxed("\ud800")).svg
    image(boxed("\ud800")).svg.encode()


def test_pages_of_a_document_are_frames() -> None:
    def at(page: int, text: str) -> dict[str, Any]:
        location = {"type": "box", "left": page, "top": 2, "width": 3, "height": 4}
        return {"page": page, "label": "total", "text": text, "location": location}

    response = {
        "annotations": [at(0, "1"), at(2, "3"), {"page": 2, "location": None}],
        "fields": [{"field_id": "sum", "value": "4"}],
    }
    for type in ("documenttranscription", "documentmodel"):
        drawing = drawn(type, response, frame=2)
        assert drawing.frames == 3
        assert [it.text for it in drawing.shapes] == [
            "left 2, top 2, 3 × 4; text: 3",
            "cannot be drawn",
            "4",
        ]
        assert len(shapes(parsed(drawing))) == 1
        assert drawn(type, response, frame=1).total == 1  # the field
        assert drawn(type, response, frame=99).shapes == drawing.shapes


def test_spans_of_a_text_are_marked() -> None:
    text = "Ada met Alan.\nThey " + "talked " * 40
    start = text.rindex("talked")
    response = {
        "annotations": [
            {"id": "1", "label": "PERSON", "start": 0, "end": 3, "text": "Ada"},
            {"id": "2", "label": "PERSON", "start": 8, "end": 12, "text": "Alan"},
            {"id": "3", "label": "ACT", "start": start, "end": start + 6},
            {"id": "4", "label": "ACT"},
        ],
        "relationships": [{"source_ref": "1", "target_ref": "2", "name": "met"}],
    }
    drawing = drawn("namedentityrecognition", response, {"text": text})
    root = parsed(drawing)
    written = texts(root)
    assert "Ada met Alan." in written
    assert "".join(written).count("talked") == 40
    assert "Ada → Alan (met)" in written
    assert [it.text for it in drawing.shapes] == [
        "0 to 3: Ada",
        "8 to 12: Alan",
        f"{start} to {start + 6}: talked",
        "cannot be drawn: ",
    ]
    marks = [it for it in found(root, "g") if it.find(f"{SVG}title") is not None]
    widths = [float(list(it)[1].get("width") or 0) for it in marks]
    assert widths == [27, 36, 54]
    lines = {it.text: it for it in found(root, "text") if it.get("textLength")}
    first = lines["Ada met Alan."]
    assert [list(it)[1].get("x") for it in marks[:2]] == [
        str(int(float(first.get("x") or 0) + column * 9)) for column in (0, 8)
    ]


def test_words_lie_on_an_axis_of_time_and_their_confidence_is_seen() -> None:
    words = [
        {"word": "An", "start": 0.1, "end": 0.3, "confidence": 0.9},
        {"word": "avocado", "start": 7.5, "end": 8, "confidence": 0.3},
        {"word": "lost"},
    ]
    drawing = drawn("audiotranscription", {"alignment": words})
    root = parsed(drawing)
    groups = {
        text.text: it for it in found(root, "g") if (text := it.find(f"{SVG}text")) is not None
    }
    assert {*groups} == {"An", "avocado"}
    assert float(groups["An"].get("opacity") or 0) > float(groups["avocado"].get("opacity") or 1)
    bar = groups["avocado"].find(f"{SVG}rect")
    assert bar is not None
    assert {"0 s", "6 s"} <= {*texts(root)}
    assert drawing.shapes[1].text == "7.5 to 8 s, confidence 0.3"
    assert drawing.total == 3


@pytest.mark.parametrize(
    "type",
    ["videoannotation", "videoboxannotation", "videocuboidannotation", "cruisecontrol"],
)
def test_a_frame_of_a_video_is_drawn(type: str) -> None:
    frames = [{"annotations": [boxed("car", left)]} for left in (0, 50)]
    params = {"attachments": ["http://a.test/0.png", "http://a.test/1.png"]}
    events = {"events": [{"label": "Turning", "start": 0, "end": 1}]}
    drawing = drawn(type, {}, params, frame=1, annotations=frames, events=events)
    assert (drawing.frames, drawing.image) == (2, "http://a.test/1.png")
    assert [it.text for it in drawing.shapes] == ["left 50, top 20, 100 × 50", "frame 0 to 1"]
    assert "event Turning: frame 0 to 1" in texts(parsed(drawing))
    inline = drawn(type, {"annotations": frames}, frame=1)
    assert inline.shapes[0] == drawing.shapes[0]


def box_of(drawing: Drawing) -> tuple[float, ...]:
    return (drawing.left, drawing.top, drawing.width, drawing.height)


def test_the_plane_stays_the_same_from_frame_to_frame() -> None:
    lefts = (0, 50, 900)
    frames = [{"annotations": [boxed("car", left)]} for left in lefts]
    key = {"top": 20, "width": 100, "height": 50}
    keys = [{"key": left, "left": left, **key} for left in lefts]
    tracks = {"a": {"label": "car", "geometry": "box", "frames": keys}}
    place = {"dimensions": {"x": 2, "y": 4}, "label": "car"}
    scenes = [{"cuboids": [{"position": {"x": it, "y": 0}, **place}]} for it in lefts]
    for type, content in (
        ("videoannotation", frames),
        ("videoplaybackannotation", tracks),
        ("lidarannotation", scenes),
    ):
        boxes = [box_of(drawn(type, {}, annotations=content, frame=it)) for it in range(3)]
        assert boxes[0] == boxes[1] == boxes[2]
        assert boxes[0][2] > 900


def test_both_forms_of_a_playback_are_drawn() -> None:
    keys = [{"key": key, **boxed("", left)} for key, left in ((0, 0), (10, 50))]
    for it in keys:
        del it["label"], it["type"]
    tracks = {
        "a": {"label": "person", "geometry": "box", "frames": keys},
        "b": {"label": "dog", "geometry": "box", "frames": keys[1:]},
    }
    for content in (tracks, [{"annotations": tracks}]):
        drawings = [
            drawn("videoplaybackannotation", {}, frame=frame, annotations=content)
            for frame in (0, 1)
        ]
        assert [it.frames for it in drawings] == [2, 2]
        assert [[it.label for it in drawing.shapes] for drawing in drawings] == [
            ["person"],
            ["person", "dog"],
        ]
        assert "left 50" in drawings[1].shapes[0].text


@pytest.mark.parametrize("type", ["lidarannotation", "sensorfusion", "multistage"])
def test_cuboids_of_a_scene_are_seen_from_above(type: str) -> None:
    cuboid = {
        "label": "Car",
        "position": {"x": 10, "y": 5, "z": 1},
        "dimensions": {"x": 2, "y": 4, "z": 1.5},
        "yaw": 0,
        "attributes": {"moving": "No"},
    }
    drawing = drawn(type, {}, annotations=[{"cuboids": []}, {"cuboids": [cuboid]}], frame=1)
    assert [it.text for it in drawing.shapes] == [
        "x 10, y 5, 2 × 4, yaw 0, z 1, height 1.5; attributes: moving=No"
    ]
    root = parsed(drawing)
    assert "Car, height 1.5" in texts(root)
    [path] = shapes(root).values()
    # North is at the top, so y = 5 is -5 in the drawing; the nose points north.
    points = list(extent(path))
    assert {*points[:4]} == {(9, -3), (11, -3), (11, -7), (9, -7)}
    assert points[-1] == (10, -7)
    assert drawn(type, {}, annotations=[{"cuboids": [cuboid]}], size=(999, 999)).width < 10
    # A quarter turn counter-clockwise points west.
    west = drawn(type, {}, annotations=[{"cuboids": [{**cuboid, "yaw": 1.5707963267948966}]}])
    [path] = shapes(parsed(west)).values()
    assert list(extent(path))[-1] == (8, -5)


def test_points_of_a_scene_are_counted() -> None:
    points = {
        "objects": [{"label": "Road", "index": 1}, {"label": "Car", "index": 2}],
        "point_objects": [[1, 1, 2, 0], [1]],
    }
    drawing = drawn("lidarsegmentation", {}, point_segmentations=points)
    assert [(it.label, it.count) for it in drawing.labels] == [("Road", 2), ("Car", 1)]
    assert "Road: 2 points" in texts(parsed(drawing))
    assert drawing.frames == 2
    both = drawn("lidarsegmentation", {}, point_segmentations=points, annotations=[{}])
    assert [it.text for it in both.shapes] == ["number 2", "number 1"]


def test_links_of_all_cameras_are_drawn() -> None:
    cameras = [{"camera_responses": [{"annotations": [boxed("a")]}, {"annotations": [boxed("b")]}]}]
    drawing = drawn("lidarlinking", {}, annotations=cameras)
    assert len(shapes(parsed(drawing))) == drawing.total == 2


FORMS: list[tuple[str, Any, Any, list[str]]] = [
    ("categorization", {}, {"category": ["big", "new"]}, ["category", "big, new"]),
    (
        "comparison",
        {"fields": {"why": "Reason"}},
        {"choice": "yes", "fields": {"why": "Both."}},
        ["choice", "yes", "Reason", "Both."],
    ),
    (
        "transcription",
        {"repeatable_fields": {"user": "Name"}},
        {"repeatable_fields": [{"user": "ada"}, {"user": "alan"}]},
        ["Name", "ada", "Name", "alan"],
    ),
    (
        "textcollection",
        {"fields": [{"field_id": "s", "title": "Sentiment", "fields": []}]},
        {"annotations": {"s": ["good"], "other": {"deep": 1}}},
        ["Sentiment", "good", "annotations other deep", "1"],
    ),
    (
        "chat",
        {},
        {"responses": [{"type": "PromptInput", "output": "Why?"}]},
        ["PromptInput", "Why?"],
    ),
    (
        "multichat",
        {},
        {
            "threads": [
                {
                    "turns": [
                        {
                            "messages": [
                                {"role": "user", "content": {"text": "Why?"}},
                                {
                                    "role": "assistant",
                                    "content": "So.",
                                    "annotations": [{"title": "Rating", "key": "r", "value": 3}],
                                },
                            ],
                            "annotations": [{"key": "safe", "value": True}],
                        }
                    ],
                    "annotations": [{"value": ["a", "b"]}],
                }
            ]
        },
        ["user", "Why?", "assistant", "So.", "Rating", "3", "safe", "yes", "annotation", "a, b"],
    ),
    ("chat", {}, {"odd": 1}, ["odd", "1"]),
    ("unheard of", {}, {"a": None, "b": True}, ["a", "(nothing)", "b", "yes"]),
    ("imageannotation", {}, {"error": "No."}, ["error", "No."]),
    ("lidarannotation", {}, {"annotations": {"url": "x"}}, ["annotations url", "x"]),
    ("segmentannotation", {}, {"labelMapping": {}}, ["an empty response"]),
]


@pytest.mark.parametrize(("type", "params", "response", "lines"), FORMS)
def test_other_responses_are_questions_and_answers(
    type: str, params: Any, response: Any, lines: list[str]
) -> None:
    drawing = drawn(type, response, params)
    assert texts(parsed(drawing)) == lines
    assert drawing.total == len(lines) // 2


@pytest.mark.parametrize("type", task_types.names())
def test_a_task_without_a_response_says_so(type: str) -> None:
    drawing = drawn(type, None)
    assert texts(parsed(drawing)) == ["no response yet"]
    assert (drawing.total, drawing.frames, drawing.labels, drawing.shapes) == (0, 1, (), ())


@pytest.mark.parametrize(
    ("params", "url"),
    [
        ({"attachment": "https://a.test/x.jpg?y"}, "https://a.test/x.jpg?y"),
        ({"attachment": "https://a.test/x.pdf"}, None),
        ({"attachment": "javascript:alert(1)"}, None),
        ({"attachment": ["https://a.test/x.jpg"]}, None),
        ({}, None),
    ],
)
def test_the_picture_below_is_named_and_not_loaded(params: Any, url: str | None) -> None:
    drawing = drawn("imageannotation", {"annotations": [boxed("a")]}, params)
    assert drawing.image == url
    assert "a.test" not in drawing.svg


# Any data, and a lot of it.

ODD: st.SearchStrategy[Any] = st.sampled_from(
    [1e308, -1e308, 10**400, float("nan"), float("inf"), "", "NaN", "\ud800", "\x00<&>", [], {},
     None, True, -0.0, 1e-320, 2**63, [[]], {"x": {}}, "9" * 5_000]
)  # fmt: skip
VALUES = ODD | st.integers(-5, 9) | st.floats() | st.text(max_size=5)
NAMES = re.findall(
    r"\w+",
    "annotations label type geometry left top width height rotation vertices x y description page"
    " location text start end id relationships source_ref alignment word confidence cuboids yaw z"
    " position dimensions attributes events frames key camera_responses objects point_objects"
    " index labelMapping combined fields field_id title value output role content geometries"
    " labels attachments attachment objects_to_annotate subchoices choice responses threads turns"
    " messages",
)
ANY = st.recursive(
    VALUES,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(NAMES), inner, max_size=6)
        | st.fixed_dictionaries({"annotations": st.lists(inner, max_size=4)})
        | st.just([{"x": 1, "y": 2}, {"x": 3, "y": 4}])
    ),
    max_leaves=12,
)


@given(
    type=st.sampled_from([*task_types.names(), "unheard of"]),
    response=ANY,
    params=ANY,
    content=ANY,
    frame=st.integers(),
    size=st.none() | st.tuples(st.floats(0.001, 1e9), st.floats(0.001, 1e9)),
)
def test_any_data_gives_well_formed_xml(
    type: str, response: Any, params: Any, content: Any, frame: int, size: Point | None
) -> None:
    files = {"annotations": content, "events": content, "point_segmentations": content}
    for given_files in ({}, files):
        drawing = drawn(type, response, params, frame=frame, size=size, **given_files)
        parsed(drawing)
        assert drawing.frames >= 1
        assert len(drawing.shapes) <= drawing.total


def test_a_wild_mask_is_no_mask() -> None:
    for picture in (b"", b"GIF", b"\x89PNG\r\n\x1a\n", "text"):
        assert drawn("segmentannotation", {"a": 1}, combined=picture).total == 1


def many(label: str, number: int) -> list[Any]:
    return [boxed(f"{label} {n % 3}", n) for n in range(number)]


@pytest.mark.parametrize(
    "build",
    [
        lambda n: drawn("imageannotation", {"annotations": many("a", n)}),
        lambda n: drawn("videoannotation", {}, annotations=[{"annotations": many("a", n)}]),
        lambda n: drawn(
            "namedentityrecognition",
            {"annotations": [{"label": "a", "start": 0, "end": 10**6} for _ in range(n)]},
            {"text": "word " * 10_000},
        ),
        lambda n: drawn(
            "audiotranscription",
            {"alignment": [{"word": "w", "start": it, "end": it} for it in range(n)]},
        ),
        lambda n: drawn("categorization", {f"q{it}": "a" for it in range(n)}),
    ],
)
def test_only_the_first_2000_shapes_are_drawn_and_the_picture_says_so(build: Any) -> None:
    drawing = build(3_000)
    assert (len(drawing.shapes), drawing.total) == (2_000, 3_000)
    assert "Only the first 2,000 of 3,000 are drawn." in texts(parsed(drawing))
    assert len(drawing.svg) < 4_000_000


def test_100000_shapes_are_counted_and_the_first_are_drawn() -> None:
    drawing = drawn("imageannotation", {"annotations": many("a", 100_000)})
    assert (len(drawing.shapes), drawing.total) == (2_000, 100_000)


def test_a_text_of_ten_megabytes_is_cut() -> None:
    huge = "<" * 10_000_000
    for drawing in (
        image(boxed(huge, attributes={huge: huge})),
        drawn("categorization", {huge: huge, "b": [huge]}),
        drawn("namedentityrecognition", {"annotations": [{"label": huge}]}, {"text": huge}),
    ):
        parsed(drawing)
        assert len(drawing.svg) < 1_000_000
