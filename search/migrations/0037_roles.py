"""Four roles, as groups with permissions. Every account contributes, as it could before; what else somebody may stays as
it is. Takes no time: a row for each account."""

from django.contrib.auth.management import create_permissions
from django.db import migrations

ROLES = ("Viewer", "Contributor", "Curator", "Owner")
OWN = ("add_image", "change_own_image")


def make_roles(apps, schema_editor):
    Group, Permission = apps.get_model("auth", "Group"), apps.get_model("auth", "Permission")
    # Those of a new database are made after all migrations, too late for this one.
    for label in ("auth", "search"):
        config = apps.get_app_config(label)
        config.models_module = True
        create_permissions(config, apps=apps, verbosity=0)
        config.models_module = None
    # What somebody has called so before keeps what it may, and gets nothing.
    for group in Group.objects.filter(name__in=ROLES):
        group.name = free_name(Group, group.name)
        group.save()
    search = Permission.objects.filter(content_type__app_label="search")
    accounts = Permission.objects.filter(content_type__app_label="auth", content_type__model__in=("user", "group"))
    may = {
        "Viewer": [],
        "Contributor": search.filter(codename__in=OWN),
        "Curator": search.exclude(codename__endswith="_signup"),
        "Owner": search | accounts,
    }
    made = {name: Group.objects.create(name=name) for name in ROLES}
    for name, permissions in may.items():
        made[name].permissions.set(permissions)
    User = apps.get_model("auth", "User")
    member = User.groups.through
    contributors = User.objects.filter(is_superuser=False).values_list("pk", flat=True)
    member.objects.bulk_create(
        (member(user_id=key, group_id=made["Contributor"].pk) for key in contributors), batch_size=5_000
    )


def free_name(Group, name):
    number = 1
    while Group.objects.filter(name=f"{name} ({number})").exists():
        number += 1
    return f"{name} ({number})"


def remove_roles(apps, schema_editor):
    apps.get_model("auth", "Group").objects.filter(name__in=ROLES).delete()


class Migration(migrations.Migration):

    dependencies = [
        ("search", "0036_duplicates"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="image",
            options={
                "ordering": ["-created", "id"],
                "permissions": [("change_own_image", "Can change images that they have added")],
                "verbose_name": "image",
                "verbose_name_plural": "images",
            },
        ),
        migrations.RunPython(make_roles, remove_roles),
    ]
