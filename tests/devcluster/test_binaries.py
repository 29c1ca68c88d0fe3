"""Where the programs come from: the first place that has it, each program on its own."""

from pathlib import Path

import pytest

from devcluster.binaries import cache_folder, cache_root, find, missing, passed_over, pinned
from tests.devcluster.tools import write_program


@pytest.fixture
def places(tmp_path: Path) -> dict[str, str]:
    """Give an environment in which each of the three places has kubectl."""
    environment = {
        "TEST_ASSET_KUBECTL": str(tmp_path / "own" / "my-kubectl"),
        "KUBEBUILDER_ASSETS": str(tmp_path / "assets"),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
    }
    write_program(Path(environment["TEST_ASSET_KUBECTL"]))
    write_program(tmp_path / "assets" / "kubectl")
    write_program(cache_folder(environment) / "kubectl")
    return environment


def source(name: str, environment: dict[str, str]) -> str | None:
    found = find(name, environment)
    return found.source if found else None


def test_the_variable_of_one_program_comes_first(places: dict[str, str]) -> None:
    found = find("kubectl", places)

    assert found is not None
    assert (str(found.path), found.source) == (places["TEST_ASSET_KUBECTL"], "TEST_ASSET_KUBECTL")


def test_the_assets_folder_comes_second(places: dict[str, str]) -> None:
    del places["TEST_ASSET_KUBECTL"]

    assert source("kubectl", places) == "KUBEBUILDER_ASSETS"


def test_the_cache_comes_third(places: dict[str, str]) -> None:
    del places["TEST_ASSET_KUBECTL"], places["KUBEBUILDER_ASSETS"]

    assert source("kubectl", places) == "devcluster's cache"


def test_what_no_place_has_is_missing(places: dict[str, str]) -> None:
    assert missing(["kubectl", "kube-apiserver"], places) == ["kube-apiserver"]


def test_each_program_is_looked_for_on_its_own(places: dict[str, str]) -> None:
    write_program(Path(places["KUBEBUILDER_ASSETS"]) / "etcd")
    write_program(cache_folder(places) / "kube-apiserver")

    sources = {name: source(name, places) for name in ("kubectl", "etcd", "kube-apiserver")}

    assert sources == {
        "kubectl": "TEST_ASSET_KUBECTL",
        "etcd": "KUBEBUILDER_ASSETS",
        "kube-apiserver": "devcluster's cache",
    }


def test_a_place_whose_file_is_not_there_is_passed_over(places: dict[str, str]) -> None:
    places["TEST_ASSET_KUBECTL"] = "/nowhere/kubectl"

    assert source("kubectl", places) == "KUBEBUILDER_ASSETS"


def test_a_file_that_cannot_be_run_is_passed_over(places: dict[str, str]) -> None:
    Path(places["TEST_ASSET_KUBECTL"]).chmod(0o644)

    assert source("kubectl", places) == "KUBEBUILDER_ASSETS"


def test_a_setting_that_leads_nowhere_is_told(places: dict[str, str]) -> None:
    places |= {"TEST_ASSET_KUBE_APISERVER": "/nowhere/apiserver", "KUBEBUILDER_ASSETS": "/nowhere"}

    assert passed_over(places) == [
        "TEST_ASSET_KUBE_APISERVER is /nowhere/apiserver, which is no program: looking further.",
        "KUBEBUILDER_ASSETS is /nowhere, which is no folder: looking further.",
    ]


def test_the_cache_is_named_after_both_versions(tmp_path: Path) -> None:
    folder = cache_folder({"XDG_CACHE_HOME": str(tmp_path)})

    name = f"kubernetes-{pinned('kubernetes')}_etcd-{pinned('etcd')}"
    assert folder == tmp_path / "wharfinger" / "devcluster" / name


def test_without_xdg_setting_the_cache_is_in_the_home() -> None:
    assert cache_root({"HOME": "/home/ada"}) == Path("/home/ada/.cache/wharfinger/devcluster")


def test_a_relative_xdg_setting_is_ignored() -> None:
    environment = {"HOME": "/home/ada", "XDG_CACHE_HOME": "cache"}

    assert cache_root(environment) == Path("/home/ada/.cache/wharfinger/devcluster")
