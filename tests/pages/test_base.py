"""The base of every report: what comes in is escaped, an unknown name is an error, numbers keep their percent."""

from pathlib import Path

import jinja2
import pytest

from novamind.pages import environment

PAGE = """{% extends "base.html" %}
{% block title %}{{ title }}{% endblock %}
{% block body %}
  {% for row in rows %}
<p>{{ row }}</p>
  {% endfor %}
{% endblock %}
"""


@pytest.fixture
def pages(tmp_path: Path) -> jinja2.Environment:
    """Two folders, of which the first comes first."""
    for folder, text in (("one", PAGE), ("two", "second")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "page.html").write_text(text)
    (tmp_path / "two" / "more.html").write_text("more {{ 5 }} %")
    return environment(tmp_path / "one", tmp_path / "two")


def test_everything_is_escaped_and_percents_stay_with_their_numbers(pages: jinja2.Environment) -> None:
    page = pages.get_template("page.html").render(title="<b>", rows=["a & b", "80 % of 5 %", 7])
    assert "<title>&lt;b&gt;</title>" in page
    body = page[page.index("<body>") :]
    assert body.splitlines() == [
        "<body>", "<p>a &amp; b</p>", "<p>80\N{NO-BREAK SPACE}% of 5\N{NO-BREAK SPACE}%</p>", "<p>7</p>",
        "</body>", "</html>",
    ]  # fmt: skip


def test_an_unknown_name_is_an_error(pages: jinja2.Environment) -> None:
    with pytest.raises(jinja2.UndefinedError):
        pages.get_template("page.html").render(rows=[])


def test_a_room_s_own_folders_come_before_the_base(pages: jinja2.Environment) -> None:
    assert pages.get_template("more.html").render() == "more 5 %"
    assert pages.get_template("base.html").render().startswith("<!doctype html>")
    with pytest.raises(jinja2.TemplateNotFound):
        environment().get_template("page.html")


def test_no_script_and_no_request_is_allowed() -> None:
    page = environment().get_template("base.html").render()
    assert "default-src 'none'; style-src 'unsafe-inline'" in page
    assert "<script" not in page
