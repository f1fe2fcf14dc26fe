"""What the database refuses beyond Django's constraints, so that no code path and no hand at psql can do it.

Also the autovacuum and fill factor of the hot table: an order's row is updated at every ask.
"""

from django.db import migrations

FORWARD = """
CREATE FUNCTION payments_order_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.status <> OLD.status AND NOT (OLD.status, NEW.status) IN (
        ('PENDING', 'INITIATED'), ('PENDING', 'CANCELLED'),
        ('INITIATED', 'SUCCESS'), ('INITIATED', 'FAILED'),
        ('INITIATED', 'EXPIRED'), ('INITIATED', 'CANCELLED'),
        ('EXPIRED', 'SUCCESS'), ('FAILED', 'SUCCESS'), ('CANCELLED', 'SUCCESS')
    ) THEN
        RAISE EXCEPTION 'payment order % cannot go from % to %', OLD.merchant_order_id, OLD.status, NEW.status
            USING ERRCODE = 'check_violation', CONSTRAINT = 'payments_order_moves';
    END IF;
    IF NEW.merchant_order_id <> OLD.merchant_order_id OR NEW.amount <> OLD.amount
        OR NEW.cart_id <> OLD.cart_id OR NEW.created_at <> OLD.created_at OR NEW.snapshot <> OLD.snapshot THEN
        RAISE EXCEPTION 'payment order %: its id, amount, cart, time and snapshot never change', OLD.merchant_order_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'payments_order_frozen';
    END IF;
    IF OLD.fulfilment = 'BOOKED' AND NEW.fulfilment <> 'BOOKED' THEN
        RAISE EXCEPTION 'payment order % has been fulfilled', OLD.merchant_order_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'payments_order_booked';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER payments_order_guard BEFORE UPDATE OF
    status, merchant_order_id, amount, cart_id, created_at, snapshot, fulfilment ON payments_order
    FOR EACH ROW EXECUTE FUNCTION payments_order_guard();

CREATE FUNCTION payments_order_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'payment orders are never deleted'
        USING ERRCODE = 'check_violation', CONSTRAINT = 'payments_order_kept';
END $$;

CREATE TRIGGER payments_order_kept BEFORE DELETE ON payments_order
    FOR EACH ROW EXECUTE FUNCTION payments_order_kept();

CREATE FUNCTION payments_event_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit trail is only appended to'
        USING ERRCODE = 'check_violation', CONSTRAINT = 'payments_event_append_only';
END $$;

CREATE TRIGGER payments_event_append_only BEFORE UPDATE OR DELETE ON payments_event
    FOR EACH ROW EXECUTE FUNCTION payments_event_append_only();

CREATE FUNCTION payments_refund_guard() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    paid payments_order%ROWTYPE;
    others bigint;
BEGIN
    -- The order's lock puts refunds of one order in line, so that two cannot both see the same remainder.
    SELECT * INTO paid FROM payments_order WHERE id = NEW.order_id FOR NO KEY UPDATE;
    IF paid.status <> 'SUCCESS' THEN
        RAISE EXCEPTION 'payment order % is not paid', paid.merchant_order_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'payments_refund_of_paid';
    END IF;
    SELECT coalesce(sum(amount), 0) INTO others FROM payments_refund
        WHERE order_id = NEW.order_id AND state <> 'FAILED' AND id <> NEW.id;
    IF NEW.state <> 'FAILED' AND others + NEW.amount > paid.amount THEN
        RAISE EXCEPTION 'refunds of % would exceed what was paid', paid.merchant_order_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'payments_refund_within_paid';
    END IF;
    IF TG_OP = 'UPDATE' AND OLD.state IN ('COMPLETED', 'FAILED') AND NEW.state <> OLD.state THEN
        RAISE EXCEPTION 'refund % is final', OLD.merchant_refund_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'payments_refund_final';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER payments_refund_guard BEFORE INSERT OR UPDATE OF state ON payments_refund
    FOR EACH ROW EXECUTE FUNCTION payments_refund_guard();

-- A smaller sum or a vanished row would let the order be refunded twice.
CREATE FUNCTION payments_refund_frozen() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.merchant_refund_id <> OLD.merchant_refund_id OR NEW.amount <> OLD.amount
        OR NEW.order_id <> OLD.order_id THEN
        RAISE EXCEPTION 'refund %: its id, amount and order never change', OLD.merchant_refund_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'payments_refund_frozen';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER payments_refund_frozen BEFORE UPDATE OF merchant_refund_id, amount, order_id ON payments_refund
    FOR EACH ROW EXECUTE FUNCTION payments_refund_frozen();

CREATE FUNCTION payments_refund_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'refunds are never deleted'
        USING ERRCODE = 'check_violation', CONSTRAINT = 'payments_refund_kept';
END $$;

CREATE TRIGGER payments_refund_kept BEFORE DELETE ON payments_refund
    FOR EACH ROW EXECUTE FUNCTION payments_refund_kept();

-- Tests and benchmarks empty their tables; they say so with PGOPTIONS="-c payments.may_truncate=on".
CREATE FUNCTION payments_no_truncate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF coalesce(current_setting('payments.may_truncate', true), '') <> 'on' THEN
        RAISE EXCEPTION 'the record of money is never emptied'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'payments_no_truncate';
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER payments_no_truncate BEFORE TRUNCATE ON payments_order
    FOR EACH STATEMENT EXECUTE FUNCTION payments_no_truncate();
CREATE TRIGGER payments_no_truncate BEFORE TRUNCATE ON payments_event
    FOR EACH STATEMENT EXECUTE FUNCTION payments_no_truncate();
CREATE TRIGGER payments_no_truncate BEFORE TRUNCATE ON payments_refund
    FOR EACH STATEMENT EXECUTE FUNCTION payments_no_truncate();

ALTER TABLE payments_order SET (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02);
"""

BACKWARD = """
ALTER TABLE payments_order RESET (fillfactor, autovacuum_vacuum_scale_factor);
DROP TRIGGER payments_no_truncate ON payments_refund;
DROP TRIGGER payments_no_truncate ON payments_event;
DROP TRIGGER payments_no_truncate ON payments_order;
DROP FUNCTION payments_no_truncate;
DROP TRIGGER payments_refund_kept ON payments_refund;
DROP FUNCTION payments_refund_kept;
DROP TRIGGER payments_refund_frozen ON payments_refund;
DROP FUNCTION payments_refund_frozen;
DROP TRIGGER payments_refund_guard ON payments_refund;
DROP FUNCTION payments_refund_guard;
DROP TRIGGER payments_event_append_only ON payments_event;
DROP FUNCTION payments_event_append_only;
DROP TRIGGER payments_order_kept ON payments_order;
DROP FUNCTION payments_order_kept;
DROP TRIGGER payments_order_guard ON payments_order;
DROP FUNCTION payments_order_guard;
"""


class Migration(migrations.Migration):
    dependencies = [("payments", "0001_initial")]

    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
