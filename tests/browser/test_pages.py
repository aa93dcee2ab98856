"""What holds of every page: accessible, light and dark, wide and narrow, under a strict policy.

That no answer of any browser test holds the planted token or an inline part, and that no console
complains, is checked by `witness` after each of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from ipadmin.models import ApiToken, User
from ipadmin.sandbox import Sandbox
from ipadmin.services import inventory
from tests.browser.conftest import Browse
from tests.browser.steps import (
    ask,
    confirm,
    danger_button,
    expect_accessible,
    expect_no_sideways_scrolling,
    open_list,
    ordinary,
    row,
    the_entry,
    unallocate,
    vip,
)
from tests.browser.witness import inline_parts, witness

pytestmark = pytest.mark.django_db(transaction=True)

LONG = "a-host-name-as-long-as-they-get." * 6 + "northwind.katapult.cloud"
WIDE, NARROW = {"width": 1280, "height": 800}, {"width": 390, "height": 844}


@dataclass
class Scene:
    page: Page
    token: ApiToken
    box: Sandbox

    def go(self, name: str, *arguments: object) -> None:
        self.page.goto(reverse(name, args=arguments))


@pytest.fixture
def scene(page: Page, token: ApiToken, box: Sandbox) -> Scene:
    """A world with names longer than anybody would like."""
    for address in list(box.engine.state.world.addresses.values())[:6]:
        address.reverse_dns = LONG
        if address.resource:
            address.resource.name = "a-machine-with-a-name-longer-than-anybody-would-like-it"
    return Scene(page, token, box)


def the_list(scene: Scene) -> None:
    open_list(scene.page, scene.token)


def nothing_found(scene: Scene) -> None:
    open_list(scene.page, scene.token, "?q=nowhere")


def list_refused(scene: Scene) -> None:
    scene.box.set_faults([{"call": "list", "kind": "error", "code": "scope_not_granted"}])
    the_list(scene)


def dialog(scene: Scene) -> None:
    the_list(scene)
    ask(scene.page, vip(scene.box))


def dialog_mistyped(scene: Scene) -> None:
    dialog(scene)
    scene.page.get_by_label(re.compile("Type .* to confirm")).fill("198")
    expect(danger_button(scene.page)).to_be_disabled()


def confirmation(scene: Scene) -> None:
    scene.go("unallocate", scene.token.id, scene.box.world()["ip_addresses"][3]["id"])


def result(scene: Scene) -> None:
    unallocate(scene.page, scene.token, ordinary(scene.box))


def unknown(scene: Scene) -> None:
    the_list(scene)
    address = ordinary(scene.box)
    ask(scene.page, address)
    scene.box.set_faults([{"call": "unallocate", "kind": "reset_before"}])
    confirm(scene.page)
    expect(row(scene.page, address)).to_contain_text("not known yet")


def unknown_entry(scene: Scene) -> None:
    unknown(scene)
    scene.page.goto(the_entry().get_absolute_url())


def refused(scene: Scene) -> None:
    the_list(scene)
    address = ordinary(scene.box)
    ask(scene.page, address)
    network = "unauthorized_network_for_api_token"
    scene.box.set_faults([{"call": "unallocate", "kind": "error", "code": network}])
    confirm(scene.page)
    expect(row(scene.page, address)).to_contain_text("from this network")


def entry(scene: Scene) -> None:
    result(scene)
    scene.page.goto(the_entry().get_absolute_url())


def history(scene: Scene) -> None:
    result(scene)
    scene.page.goto("/audit/?outcome=succeeded&person=alice")


def one_address(scene: Scene) -> None:
    scene.go("address", scene.token.id, scene.box.world()["ip_addresses"][3]["id"])


def no_such_address(scene: Scene) -> None:
    scene.page.goto(reverse("lookup", args=[scene.token.id]) + "?q=192.0.2.1")


def one_token(scene: Scene) -> None:
    scene.go("token", scene.token.id)
    scene.page.get_by_role("button", name="Check again").click()
    expect(scene.page.get_by_text("The token works", exact=True)).to_be_visible()


def wrong_token(scene: Scene) -> None:
    scene.go("token_add")
    scene.page.get_by_label("Label").fill("Main")
    scene.page.get_by_label("API token").fill("two words")
    scene.page.get_by_role("button", name="Check and save").click()
    expect(scene.page.get_by_text("This is not an API token")).to_be_visible()


def choose_organization(scene: Scene) -> None:
    ApiToken.objects.update(organization_id="", organization_sub_domain="")
    scene.go("token_organization", scene.token.id)


def server_error(scene: Scene) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inventory, "read", None)
        open_list(scene.page, scene.token, "?wait=1")
        expect(scene.page.get_by_role("link", name="Check the history")).to_be_visible()


def page_at(path: str) -> Callable[[Scene], None]:
    def visit(scene: Scene) -> None:
        scene.page.goto(path)

    visit.__name__ = path
    return visit


VISITS: list[Callable[[Scene], None]] = [
    the_list,
    nothing_found,
    list_refused,
    dialog,
    dialog_mistyped,
    confirmation,
    result,
    unknown,
    unknown_entry,
    refused,
    entry,
    history,
    one_address,
    no_such_address,
    one_token,
    wrong_token,
    choose_organization,
    server_error,
    page_at("/tokens/"),
    page_at("/audit/"),
    page_at("/accounts/logout/"),
    page_at("/accounts/password/change/"),
    page_at("/nowhere/"),
]


@pytest.mark.parametrize("visit", VISITS, ids=lambda visit: visit.__name__)
def test_every_page_is_accessible(scene: Scene, visit: Callable[[Scene], None]) -> None:
    visit(scene)
    look(scene.page)


def look(page: Page) -> None:
    for size in (WIDE, NARROW):
        page.set_viewport_size(size)  # type: ignore[arg-type]
        expect_no_sideways_scrolling(page)
        page.emulate_media(color_scheme="light")
        expect_accessible(page)
        page.emulate_media(color_scheme="dark")
        expect_accessible(page)


def test_pages_of_other_roles_are_accessible(browse: Browse, bob: User, charlie: User) -> None:
    """Signed out, without a token, and without a role."""
    for user in (None, bob, charlie):
        page = browse(user)
        page.goto("/")
        look(page)


def test_the_pages_of_a_token_are_accessible(scene: Scene) -> None:
    for name in ("token_replace", "token_delete"):
        scene.go(name, scene.token.id)
        look(scene.page)


def test_the_content_security_policy_is_strict(page: Page) -> None:
    answer = page.goto("/tokens/")
    assert answer
    policy = answer.headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
    assert answer.headers["cache-control"] == "no-store, private"


def test_the_witness_reports_an_inline_script_or_style() -> None:
    html = '<a onclick="x()"><b style="color:red"><script>x</script><style></style><script src="x">'
    assert inline_parts(html) == ["a onclick", "b style", "script", "style"]


def test_the_witness_reports_a_policy_violation(page: Page) -> None:
    page.goto("/tokens/")
    page.evaluate("document.body.setAttribute('style', 'color: red')")
    page.wait_for_timeout(100)
    assert any("style-src" in complaint for complaint in witness.complaints)
    witness.complaints.clear()
