python -m django migrate
python -m django check --deploy
python -m django auto_complete_payments
python -m django payment_status
python -m django payment_audit
