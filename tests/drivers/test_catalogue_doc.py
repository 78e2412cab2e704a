from drivers.catalog import ALL
from drivers.catalogue_doc import GROUPS, PATH, render
from drivers.modbus.template import parse_model
from drivers.template import files


def test_docs_devices_is_what_the_templates_say() -> None:
    assert PATH.read_text("utf-8") == render(), "run: python -m drivers.catalogue_doc"


def test_every_family_and_every_folder_of_templates_has_its_section() -> None:
    assert sorted(name for group in GROUPS for name in group.families) == sorted(ALL)
    assert {group.folder for group in GROUPS} == {path.name for path in files.TEMPLATES.iterdir() if path.is_dir()}
    assert [group.page for group in GROUPS if not (PATH.parent / "protocols" / group.page).is_file()] == []


def test_every_template_is_listed_with_each_of_its_channels() -> None:
    text = render()
    for group in GROUPS:
        section = text.split(f"\n## {group.title}\n")[1].split("\n## ")[0]
        for name in files.names(group.folder):
            listed = section.split(f"\n### {name}\n")[1].split("\n### ")[0]
            model = ALL[group.families[0]].load_model(name)
            assert [channel.name for channel in model.channels if f"| `{channel.name}` |" not in listed] == []


def test_the_example_in_the_docs_is_a_model() -> None:
    example = render().split("```toml\n")[1].split("```")[0]
    model = parse_model(example, "docs/devices.md")
    assert [(channel.name, channel.scale) for channel in model.channels] == [("energy", -2)]
