"""Bodies as the wire reference prints them (§3.3, §4.3, §7)."""

from tests.phonepe_pg.stub_gateway import PAY_PAGE

BAD_REQUEST = {"code": "BAD_REQUEST", "message": "Please check the inputs you have provided."}
UNAUTHORIZED = {
    "success": False,
    "code": "AUTHORIZATION_FAILED",
    "message": "Authorization failed [message = Please check the authorization token and try again]",
    "data": {},
}
SERVER_ERROR = {
    "code": "INTERNAL_SERVER_ERROR",
    "message": "There is an error trying to process your transaction at the moment.",
}
TOO_MANY = {"success": False, "code": "TOO_MANY_REQUESTS", "message": "Too many requests. Please try again."}
UNKNOWN = {"code": "INVALID_MERCHANT_ORDER_ID", "message": "No entry found for given merchant order id"}
USED = {"success": False, "code": "INVALID_TRANSACTION_ID", "message": "Order ID has already been used"}
NO_MAPPING = {"message": "Bad Request - Api Mapping Not Found"}
NO_MAPPING_404 = {"code": "404", "message": "Api Mapping Not Found"}
HTML = b"<html><body>502 Bad Gateway</body></html>"
PENDING = {
    "orderId": "OMO2407111821482103732111",
    "state": "PENDING",
    "amount": 100,
    "expireAt": 1720702908208,
    "metaInfo": {},
    "paymentDetails": [],
}
COMPLETED = {
    "orderId": "OMO2403282020198641071317",
    "state": "COMPLETED",
    "amount": 1000,
    "payableAmount": 1000,
    "feeAmount": 0,
    "expireAt": 1711867462542,
    "metaInfo": {"udf1": "a"},
    "paymentDetails": [
        {"transactionId": "OM1", "paymentMode": "CARD", "state": "FAILED", "errorCode": "CARD_EXPIRED"},
        {
            "transactionId": "OM2403282020198651071949",
            "paymentMode": "UPI_QR",
            "timestamp": 1711694662542,
            "amount": 1000,
            "state": "COMPLETED",
            "rail": {"type": "UPI", "utr": "455069731511", "vpa": "12****78@ybl"},
            "instrument": {"type": "ACCOUNT"},
        },
    ],
}
FAILED = {
    "orderId": "OMO2407121214395503786511",
    "state": "FAILED",
    "amount": 200,
    "expireAt": 1720767279548,
    "errorCode": "INVALID_MPIN",
    "detailedErrorCode": "ZM",
    "paymentDetails": [{"transactionId": "OM24", "state": "FAILED", "errorCode": "INVALID_MPIN"}],
    "errorContext": {"errorCode": "INVALID_MPIN", "source": "CUSTOMER"},
}
CREATED = {"orderId": "OMO1", "state": "PENDING", "expireAt": 1711867462542, "redirectUrl": PAY_PAGE}
