// What a shop's own page does with the chat: asks on a visitor's behalf, and says who is signed in.

const chat = document.querySelector("senmon-chat");
const sign = document.getElementById("sign");
let signedIn = false;

for (const button of document.querySelectorAll("[data-ask]")) {
  button.addEventListener("click", () => chat.send(button.dataset.ask));
}

/** A real shop's server signs this token for the customer of its session. */
async function customerToken() {
  const response = await fetch("/v1/demo/customer", { method: "POST" });
  if (!response.ok) throw new Error("the demo customer can't sign in here");
  return (await response.json()).customer_token;
}

function show() {
  sign.textContent = signedIn ? "Sign out" : "Sign in";
  document.getElementById("signed-out").hidden = signedIn;
  document.getElementById("order-list").hidden = !signedIn;
}

sign.addEventListener("click", async () => {
  sign.disabled = true;
  try {
    if (signedIn) {
      await chat.reset();
      signedIn = false;
    } else {
      await customerToken();
      await chat.identify(customerToken);
      signedIn = true;
    }
  } catch {
    sign.title = "The demo customer can sign in only on the machine that senmon runs on.";
  }
  sign.disabled = false;
  show();
});

sign.hidden = false;
show();
