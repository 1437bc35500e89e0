// What a school's own page does with the tutor: brings the exercise into the conversation.

const chat = document.querySelector("senmon-chat");

for (const button of document.querySelectorAll("[data-ask]")) {
  button.addEventListener("click", () => chat.send(button.dataset.ask));
}
