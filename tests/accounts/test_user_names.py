"""User names are stored in one Unicode form."""

import unicodedata
from importlib import import_module

import pytest
from django.apps import apps

from accounts.models import User

NFC, NFD = (unicodedata.normalize(form, "jürgen") for form in ("NFC", "NFD"))

migration = import_module("accounts.migrations.0003_normal_user_names")


def store(*names: str) -> list[int]:
    """Store users with names that are not normalized, as they were before the migration."""
    users = User.objects.bulk_create(User(username=name) for name in names)
    return [user.pk for user in users]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (["reader"], ["reader"]),
        ([NFD], [NFC]),
        ([NFC, NFD], [NFC, NFD]),
        ([NFD, NFC], [NFD, NFC]),
        (["\N{LATIN SMALL LIGATURE FI}nn"], ["finn"]),
        ([NFD, "\N{LATIN SMALL LIGATURE FI}nn", "finn"], [NFC, "\N{LATIN SMALL LIGATURE FI}nn", "finn"]),
        (
            ["\N{ARABIC LIGATURE SALLALLAHOU ALAYHE WASALLAM}" * 150],
            ["\N{ARABIC LIGATURE SALLALLAHOU ALAYHE WASALLAM}" * 150],
        ),
    ],
)
def test_stored_names_become_normal_where_nobody_else_has_them(before, after, db):
    pks = store(*before)
    migration.normalize_names(apps, None)
    assert [User.objects.get(pk=pk).username for pk in pks] == after


def test_a_new_user_has_a_normal_name(db):
    user = User(username=NFD)
    user.save()
    assert User.objects.get().username == NFC


def test_a_user_whose_name_stays_is_saved_as_before(db):
    store(NFC, NFD)
    user = User.objects.get(username=NFD)
    user.first_name = "Ada"
    user.save()
    assert User.objects.get(pk=user.pk).username == NFD
