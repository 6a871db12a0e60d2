from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0001_initial"),
    ]

    operations = [
        migrations.RemoveConstraint(model_name="price", name="price_is_bounded"),
        migrations.AddField(
            model_name="price",
            name="reason",
            field=models.CharField(blank=True, max_length=300),
        ),
        migrations.AddConstraint(
            model_name="price",
            constraint=models.CheckConstraint(
                name="price_is_bounded",
                condition=models.Q(
                    ("input__lt", 9_000_000_000_000_000),
                    ("output__lt", 9_000_000_000_000_000),
                    models.Q(
                        ("cached_input__isnull", True), ("cached_input__lt", 9_000_000_000_000_000), _connector="OR"
                    ),
                    models.Q(("reasoning__isnull", True), ("reasoning__lt", 9_000_000_000_000_000), _connector="OR"),
                ),
            ),
        ),
    ]
