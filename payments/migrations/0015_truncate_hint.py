"""Whoever is refused a TRUNCATE, which every TransactionTestCase begins with, reads how tests are let."""

from django.db import migrations

FUNCTION = """
CREATE OR REPLACE FUNCTION payments_no_truncate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF coalesce(current_setting('payments.may_truncate', true), '') <> 'on' THEN
        RAISE EXCEPTION 'the record of money is never emptied'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'payments_no_truncate', HINT = {hint};
    END IF;
    RETURN NULL;
END $$;
"""
HINT = "'Tests may: run them with PGOPTIONS=\"-c payments.may_truncate=on -c payments.may_seed=on\".'"


class Migration(migrations.Migration):
    dependencies = [("payments", "0014_attention_words_again")]

    operations = [migrations.RunSQL(FUNCTION.format(hint=HINT), FUNCTION.format(hint="''"))]
