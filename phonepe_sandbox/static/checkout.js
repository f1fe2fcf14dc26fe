/* The emulator's stand-in for PhonePe's checkout.js, with its call shapes:
 *   PhonePeCheckout.transact({ tokenUrl })                                 goes to the pay page
 *   PhonePeCheckout.transact({ tokenUrl, callback, type: "IFRAME" })       opens it over this page;
 *       callback gets "CONCLUDED" (flow over: ask Order Status) or "USER_CANCEL"
 *   PhonePeCheckout.closePage()                                            takes the frame away
 */
(function () {
  "use strict";
  let shown = null; // { layer, frame, origin, callback, focus }

  function transact(options) {
    const { tokenUrl, callback, type } = options || {};
    if (typeof tokenUrl !== "string" || !tokenUrl) throw new TypeError("PhonePeCheckout: tokenUrl is missing");
    if (type !== "IFRAME") {
      window.location.href = tokenUrl;
      return;
    }
    if (typeof callback !== "function") throw new TypeError("PhonePeCheckout: IFRAME needs a callback");
    closePage();
    open(tokenUrl, callback);
  }

  function open(tokenUrl, callback) {
    const url = new URL(tokenUrl, window.location.href);
    url.searchParams.set("type", "IFRAME");
    const layer = styled(document.createElement("div"), {
      position: "fixed", inset: "0", zIndex: "2147483647", background: "rgba(0, 0, 0, .55)",
      display: "flex", flexDirection: "column", alignItems: "center", justifyContent: "center",
    });
    layer.setAttribute("role", "dialog");
    layer.setAttribute("aria-modal", "true");
    layer.setAttribute("aria-label", "PhonePe payment");
    const close = styled(document.createElement("button"), {
      alignSelf: "flex-end", minWidth: "44px", minHeight: "44px", margin: "4px", border: "0",
      background: "transparent", color: "#fff", fontSize: "28px", lineHeight: "1", cursor: "pointer",
    });
    close.type = "button";
    close.textContent = "\u00d7";
    close.setAttribute("aria-label", "Close the payment");
    close.addEventListener("click", () => conclude("USER_CANCEL"));
    const frame = styled(document.createElement("iframe"), {
      width: "100%", maxWidth: "34rem", flex: "1", maxHeight: "56rem", border: "0", background: "#fff",
    });
    frame.title = "PhonePe payment";
    frame.src = url.href;
    layer.append(close, frame);
    shown = { layer, frame, origin: url.origin, callback, focus: document.activeElement };
    document.body.append(layer);
    close.focus();
  }

  function styled(element, style) {
    Object.assign(element.style, style); // by script: a strict style-src lets it pass
    return element;
  }

  function closePage() {
    if (!shown) return;
    const { layer, focus } = shown;
    shown = null;
    layer.remove();
    if (focus && focus.focus) focus.focus();
  }

  function conclude(result) {
    const { callback } = shown;
    closePage();
    callback(result);
  }

  window.addEventListener("message", (event) => {
    if (!shown || event.source !== shown.frame.contentWindow || event.origin !== shown.origin) return;
    const result = event.data && event.data.phonepeSandbox;
    if (result === "CONCLUDED" || result === "USER_CANCEL") conclude(result);
  });
  window.addEventListener("keydown", (event) => {
    if (shown && event.key === "Escape") conclude("USER_CANCEL");
  });

  window.PhonePeCheckout = { transact, closePage };
})();
