"""The database refuses a booking without its money, and a booking that changes hands or vanishes."""

from django.db import migrations

FORWARD = """
-- Called inside the settling transaction, after the order's move to SUCCESS: the row is there to be seen. It needs
-- no lock, because a SUCCESS order's status, cart and amount never change.
CREATE FUNCTION bookings_booking_of_paid() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM payments_order o
        WHERE o.merchant_order_id = NEW.merchant_order_id AND o.status = 'SUCCESS'
            AND o.cart_id = NEW.cart_id AND o.amount = NEW.amount
    ) THEN
        RAISE EXCEPTION 'booking %: order % has not been paid for this cart and amount',
            NEW.booking_id, NEW.merchant_order_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'bookings_booking_of_paid';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER bookings_booking_of_paid BEFORE INSERT ON bookings_booking
    FOR EACH ROW EXECUTE FUNCTION bookings_booking_of_paid();

CREATE FUNCTION bookings_booking_frozen() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.booking_id <> OLD.booking_id OR NEW.merchant_order_id <> OLD.merchant_order_id
        OR NEW.cart_id <> OLD.cart_id OR NEW.amount <> OLD.amount THEN
        RAISE EXCEPTION 'booking %: its number, order, cart and amount never change', OLD.booking_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'bookings_booking_frozen';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER bookings_booking_frozen BEFORE UPDATE OF booking_id, merchant_order_id, cart_id, amount
    ON bookings_booking FOR EACH ROW EXECUTE FUNCTION bookings_booking_frozen();

CREATE FUNCTION bookings_booking_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'bookings are never deleted'
        USING ERRCODE = 'check_violation', CONSTRAINT = 'bookings_booking_kept';
END $$;

CREATE TRIGGER bookings_booking_kept BEFORE DELETE ON bookings_booking
    FOR EACH ROW EXECUTE FUNCTION bookings_booking_kept();

CREATE TRIGGER payments_no_truncate BEFORE TRUNCATE ON bookings_booking
    FOR EACH STATEMENT EXECUTE FUNCTION payments_no_truncate();
"""

BACKWARD = """
DROP TRIGGER payments_no_truncate ON bookings_booking;
DROP TRIGGER bookings_booking_kept ON bookings_booking;
DROP FUNCTION bookings_booking_kept;
DROP TRIGGER bookings_booking_frozen ON bookings_booking;
DROP FUNCTION bookings_booking_frozen;
DROP TRIGGER bookings_booking_of_paid ON bookings_booking;
DROP FUNCTION bookings_booking_of_paid;
"""


class Migration(migrations.Migration):
    dependencies = [("bookings", "0001_initial"), ("payments", "0002_guards")]

    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
