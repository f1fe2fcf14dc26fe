from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Bucket",
            fields=[
                ("key", models.CharField(max_length=200, primary_key=True, serialize=False)),
                ("drawn_until", models.DateTimeField()),
            ],
        ),
        migrations.RunSQL(
            "ALTER TABLE guard_bucket SET UNLOGGED; ALTER TABLE guard_bucket SET (fillfactor = 50)",
            migrations.RunSQL.noop,
        ),
    ]
