"""What people say and what assistants answer: frames with `{slots}`, by purpose."""

from __future__ import annotations

STATUS_WITH_ID = (
    "What is the status of {noun} {id}?", "Can you check {noun} {id} for me?", "What's happening with {id}?",
    "Please look up {id}.", "I want to know how {noun} {id} is going.", "Any news on {id}?", "{id}, what is the state?",
    "Where do we stand with {noun} number {id}?", "I have a question about my {noun}, the number is {id}.",
    "Tell me about {noun} {id}.", "How is my {noun} ({id}) doing?", "My {noun} is {id}. Is everything fine?",
    "Could you have a look at {id}?", "I'm calling about {id}.", "Need an update for {noun} {id}.", "{noun} {id}?",
    "The letter says {id}. What does that mean for my {noun}?", "Is {id} done yet?", "Show me {id}.",
    "Has anything changed for {noun} no. {id}?", "I'd like to see the details of {id}.", "status {id}",
    "On the paper it says {noun} {id}, can you find it?", "What about {id}?", "Do you have {id} in your system?",
    "{id} that's my {noun}, tell me more", "Can I get some information on my {noun}? It's {id}.",
    "My wife opened a {noun}, {id} is the number. Can you see it?", "Would you check whether {id} is ready?",
)  # fmt: skip
FIELD_WITH_ID = (
    "What is the {label} of {noun} {id}?", "Tell me the {label} for {id}.", "{id}: which {label}?", "{label} of {id}?",
    "Which {label} does {noun} {id} have?", "I need the {label} of my {noun} {id}.", "For {id}, what's the {label}?",
    "Can you give me the {label}? It's {noun} {id}.", "Do you know the {label} of {id}?", "{noun} {id} {label}",
    "Please send me the {label} for {noun} number {id}.", "I forgot the {label} of my {noun}. Number {id}.",
    "What does it say for {label} on {id}?", "Check the {label} of {id}, would you?", "My {noun} {id}, the {label}?",
)  # fmt: skip
FIELD_BY_KIND = {
    "date": ("When is the {label} for {id}?", "On which day is the {label} of {noun} {id}?",
             "What date is the {label} of {id}?", "{id}, when is the {label}?"),
    "time": ("At what time is the {label} for {id}?", "What time is {label} for {noun} {id}?",
             "When exactly is the {label} of {id}?"),
    "money": ("How much is the {label} of {noun} {id}?", "How high is the {label} for {id}?",
              "What do I pay as {label} for {id}?"),
    "person": ("Who is the {label} for {id}?", "Who is {label} of {noun} {id}?", "{id}: who's the {label}?"),
    "place": ("Where is the {label} of {id}?", "Which place is the {label} for {noun} {id}?"),
    "count": ("How many {label} does {noun} {id} have?", "What number is the {label} of {id}?"),
}  # fmt: skip
STATUS_BARE = (
    "I want to check my {noun}.", "Where is my {noun}?", "How is my {noun} doing?", "What's up with my {noun}?",
    "Can you look up my {noun}?", "I have a question about my {noun}.", "Is my {noun} all right?", "my {noun} please",
    "Any news about my {noun}?", "I haven't heard anything about my {noun}.", "Could you check a {noun} for me?",
    "When will my {noun} be ready?", "I would like to know more about my {noun}.", "something about a {noun}",
)  # fmt: skip
FIELD_BARE = (
    "What is the {label} of my {noun}?", "I need the {label} of my {noun}.", "Can you tell me the {label} of my {noun}?",
    "Which {label} does my {noun} have?", "I can't find the {label} of my {noun}.", "{label} of my {noun}?",
)  # fmt: skip
CANCEL = (
    "Please cancel {id}.", "I want to cancel {noun} {id}.", "Cancel my {noun} {id}.", "I don't need {noun} {id} any more.",
    "Can you call off {id}?", "{id} has to be cancelled.", "Stop {noun} {id}.", "I changed my mind, cancel {id}.",
    "We can't make it, so please cancel {noun} number {id}.", "Is it possible to cancel {id}?", "get rid of {id}",
    "I'd like to withdraw {noun} {id}.", "{id} must go, cancel it.", "Take {id} off the list.",
)  # fmt: skip
CANCEL_BARE = (
    "I want to cancel my {noun}.", "Please cancel my {noun}.", "cancel my {noun}", "I don't need my {noun} any more.",
    "Can I call off my {noun}?", "How can I stop my {noun}? Please do it for me.",
)  # fmt: skip
CHANGE = (
    "Please change the {label} of {id} to {new}.", "Can you set the {label} for {noun} {id} to {new}?",
    "I want {new} as {label} for {id}.", "{id}: new {label} is {new}.", "The {label} of {noun} {id} should be {new}.",
    "For {noun} {id}, make the {label} {new}.", "Could we move the {label} of {id} to {new}?",
    "{new} would be better as {label} for {id}.", "Update {id}, {label} {new}.", "Set {new} as the {label} on {id}.",
    "My {label} has changed to {new}, the {noun} is {id}.", "Put {new} down for {id} as {label}.",
)  # fmt: skip
CHANGE_BARE = (
    "I want to change the {label} of {noun} {id}.", "The {label} of {id} is wrong.", "Can you change the {label} on {id}?",
    "{id} needs another {label}.", "Another {label} for {noun} {id}, please.",
)  # fmt: skip
BOOK = (
    "I'd like to book a {thing} for {day}.", "Can I get a {thing} on {day}?", "Please reserve a {thing}, {day}.",
    "Book me a {thing} {day}.", "Is a {thing} possible on {day}? If so, book it.", "{day} a {thing}, can you do that?",
    "One {thing} for {day}.", "I need a {thing} {day}.", "We would like a {thing} on {day}.", "{thing}, {day}, please",
    "Could you put me down for a {thing} on {day}?", "Arrange a {thing} for {day}.",
)  # fmt: skip
BOOK_BARE = (
    "I'd like to book a {thing}.", "Can I reserve a {thing}?", "Please book me a {thing}.", "I need a {thing}.",
    "Do you have a {thing} for me? I want to book.", "How do I get a {thing}? Can you book one?",
)  # fmt: skip
GOODS = (
    "How much is the {thing}?", "Do you have a {thing}?", "What does a {thing} cost?", "Is the {thing} available?",
    "Price of {thing}?", "I'm looking for a {thing}.", "Have you got any {thing} left?", "{thing}?", "got {thing}?",
    "Can I still get the {thing}?", "My son wants a {thing}. Do you sell that?", "Tell me about the {thing}.",
    "I saw a {thing} on your page. How much?", "Do you offer {thing}?", "we need {thing}, what is the price",
    "Is there a {thing} and what would it cost?",
)  # fmt: skip
GOODS_BARE = (
    "How much does it cost?", "Do you have one left?", "Is it available?", "What's the price?", "I want to buy something.",
    "Can you check a price for me?",
)  # fmt: skip
FIND = (
    "Please look up {who}.", "I'm {who}. Am I in your system?", "My e-mail is {who}, can you find me?",
    "Find {who}, please.", "It's registered under {who}.", "Search for {who}.", "Can you find anything for {who}?",
    "I signed up with {who}.", "Is {who} known to you?", "You should have me as {who}.",
)  # fmt: skip
FIND_BARE = ("Am I in your system?", "Can you find my record?", "Look me up, please.", "Do you know me?")
LISTING = (
    "Which {nouns} do I have?", "Show me all my {nouns}.", "list my {nouns}", "I don't know the number, just show my {nouns}.",
    "How many {nouns} do I have?", "What {nouns} are in my name?", "I lost the number of my {noun}.", "all my {nouns} please",
    "Do I have any {nouns}?", "Can I see my {nouns}?", "I can't find the number of my {noun}. Which ones do you see?",
)  # fmt: skip
NOTE = (
    'Please add a note to {id}: "{text}"', "Leave a message on {id}: {text}", "{id}, please write down: {text}",
    'Can you note "{text}" for {noun} {id}?', 'For {id}: "{text}". Please pass that on.', "Note for {noun} {id}: {text}",
)  # fmt: skip
NOTES = (
    "ring the bell twice", "the dog is friendly", "I come ten minutes later", "no nuts please", "use the back door",
    "leave it with the neighbour", "the code of the gate is {code}", "call {phone} first", "my name is spelled {name}",
    "two more people will join", "please bring change for {money}", "the key is under the {word}", "ask for {name}",
    "park behind the {word}", "third floor, door {code}", "I will be back on {day}", "send the bill to {email}",
    "the box with the {word} is broken", "we need {number} chairs", "turn left after the {word}",
)  # fmt: skip

ASK_ID = (
    "Which {noun} is it? Please tell me the number.", "Sure, what is the number of your {noun}?",
    "I can look. What's the number of the {noun}?", "Please give me the {noun} number.",
    "Happy to check. Which number does the {noun} have?", "Let me see. Could you tell me the number?",
    "For that I need the number of the {noun}.", "Of course. What does the {noun} number say?",
)  # fmt: skip
ASK_NEW = (
    "What should the new {label} be?", "Which {label} would you like instead?", "Sure. What is the new {label}?",
    "I can change that. To which {label}?", "Please tell me the new {label}.",
)  # fmt: skip
ASK_DAY = (
    "For which day?", "Gladly. Which day suits you?", "When would you like it?", "Sure, on what day?",
    "What day should I take?",
)  # fmt: skip
ASK_THING = (
    "What exactly are you looking for?", "Which one do you mean?", "Sure, what is it called?", "Please tell me its name.",
    "What would you like me to check?",
)  # fmt: skip
ASK_WHO = (
    "What name or e-mail is it under?",
    "Under which name or address?",
    "Sure. Which name or e-mail address?",
)
GIVE = (
    "{it}", "it's {it}", "{it}.", "It is {it}", "sure, {it}", "{it} I think", "Here it is: {it}", "let me see... {it}",
    "that would be {it}", "{it}, please", "one moment. {it}", "ok {it}", "I have {it} here", "The paper says {it}.",
    "got it, {it}", "hm, {it}?", "yes: {it}", "{it} is what it says", "oh right, {it}", "should be {it}", "try {it}",
)  # fmt: skip
SLIP = (
    "{old}, no wait, {it}", "{old}... sorry, {it}", "{old} - no, I mean {it}", "It's {old}. Oh no, it's {it}.",
    "not {old} but {it}", "{it} (not {old}, that was the old one)", "first I thought {old} but it is {it}",
    "{old} oops {it}", "I said {old} on the phone, the right one is {it}", "{it}. {old} is the other one, ignore it",
)  # fmt: skip
LATER = (
    "Sorry, I meant {it}.", "No, the other one, {it}.", "oops, wrong number. {it}", "That's not it. {it}", "And {it}?",
    "I mixed them up, it's {it}", "wait, I wanted {it}", "no no, {it}", "Hm, that was wrong, please take {it}.",
    "What about {it} then?", "now the same for {it}", "Correction: {it}", "Can you do {it} too?", "my mistake, {it}",
)  # fmt: skip

SAY_STATUS = (
    "Your {noun} is [[{r}.status]].", "The {noun} is [[{r}.status]] at the moment.", "I see: [[{r}.status]].",
    "It is [[{r}.status]].", "Right now your {noun} is [[{r}.status]].", "{Noun} [[{r}.id]] is [[{r}.status]].",
    "Thanks. Your {noun} is [[{r}.status]].",
)  # fmt: skip
SAY_FIELD = (
    "The {label} is [[{r}.{f}]].", "{Label}: [[{r}.{f}]].", "It says [[{r}.{f}]] for the {label}.",
    "For {noun} [[{r}.id]] the {label} is [[{r}.{f}]].", "I have [[{r}.{f}]] as the {label}.",
    "The {label} of your {noun} is [[{r}.{f}]].", "Here it is: {label} [[{r}.{f}]].",
)  # fmt: skip
SAY_MORE = ("The {label} is [[{r}.{f}]].", "{Label}: [[{r}.{f}]].", "The {label} shows [[{r}.{f}]].")
SAY_CANCELLED = (
    "Done, {noun} [[{r}.id]] is cancelled.", "I have cancelled {noun} [[{r}.id]].", "Your {noun} [[{r}.id]] is now cancelled.",
    "All right, [[{r}.id]] is called off.",
)  # fmt: skip
SAY_CHANGED = (
    "Done, the {label} is now [[{r}.{f}]].", "I changed the {label} of [[{r}.id]] to [[{r}.{f}]].",
    "The new {label} is [[{r}.{f}]].", "All set: {label} [[{r}.{f}]] for [[{r}.id]].",
)  # fmt: skip
SAY_BOOKED = (
    "Done, your {what} is booked for [[{r}.day]]. The number is [[{r}.id]].",
    "I booked the [[{r}.item]] for [[{r}.day]], number [[{r}.id]].", "You are down for [[{r}.day]]. Your number: [[{r}.id]].",
    "Booked! [[{r}.item]] on [[{r}.day]].",
)  # fmt: skip
SAY_GOODS = (
    "Yes, the [[{r}.name]] costs [[{r}.price]].", "The [[{r}.name]] is [[{r}.price]].",
    "We have it. [[{r}.name]]: [[{r}.price]].", "Yes, there are [[{r}.left]] left, at [[{r}.price]] each.",
    "The price of the [[{r}.name]] is [[{r}.price]].",
)  # fmt: skip
SAY_SOLD_OUT = (
    "The [[{r}.name]] is not available right now. It should be back on [[{r}.back]].",
    "Sorry, there is no [[{r}.name]] left. We expect more on [[{r}.back]].", "Sold out until [[{r}.back]], I'm sorry.",
)  # fmt: skip
SAY_FOUND = (
    "Yes, I found you: [[{r}.name]], number [[{r}.id]].", "There is an entry for [[{r}.name]] since [[{r}.since]].",
    "I see [[{r}.name]], with us since [[{r}.since]].", "Found. The number is [[{r}.id]].",
)  # fmt: skip
SAY_LIST = (
    "I see [[{r}.count]] {nouns}: [[{r}.list]].", "You have [[{r}.count]] {nouns}: [[{r}.list]].",
    "There are [[{r}.count]] in your name: [[{r}.list]]. Which one do you mean?", "These are yours: [[{r}.list]].",
)  # fmt: skip
SAY_LIST_NONE = (
    "I see no {nouns} in your name.",
    "You have no {nouns} at the moment.",
    "There are no {nouns} here for you.",
)
SAY_NOTED = (
    "I added the note to [[{r}.id]].",
    "Noted on [[{r}.id]]: [[{r}.note]].",
    "Done, it now says: [[{r}.note]].",
)

NOT_FOUND = (
    "I can't find a {noun} with the number [[{r}.id]]. Could you check it?", "There is no {noun} [[{r}.id]] here, I'm afraid.",
    "Sorry, I see nothing under [[{r}.id]]. Is the number right?", "Hm, [[{r}.id]] is unknown to me. Please look again.",
)  # fmt: skip
NOT_FOUND_PLAIN = ("I can't find that. Could you check the spelling?", "Sorry, I see nothing under that name.",
                   "There is nothing like that here. Is it spelled right?")  # fmt: skip
SIGN_IN = ("Please sign in first, then I can look.", "For that you need to sign in first.",
           "I may only show that after you have signed in.", "Please log in, so that I know it is you.")  # fmt: skip
NOT_ALLOWED = (
    "That is not possible: [[reason]].", "I'm sorry, I can't do that. The reason: [[reason]].",
    "Unfortunately this was refused, because [[reason]].", "It was not allowed: [[reason]].",
)  # fmt: skip
REASONS = (
    "it has already started", "the bill is still open", "it is less than {number} days away", "the {noun} is locked",
    "only the owner may do that", "it was changed on {day} already", "the office has to sign it", "it is fully booked",
    "the time limit of {number} days is over", "a payment of {money} is missing", "the {noun} belongs to {name}",
)  # fmt: skip
BROKEN = ("That did not work on our side just now. Please try again.", "Something went wrong here. Please try once more.",
          "The system does not answer right now. Can you try again in a minute?")  # fmt: skip
WANT_PERSON = (
    "I want to talk to a person.", "Can I speak to a human?", "give me a real person", "Is there somebody I can call?",
    "Please connect me with someone.", "No robots, please. A person.", "I'd rather talk to one of your staff.", "agent",
    "Can a colleague of yours help me?", "Put me through to someone.", "human please", "let me talk to your boss",
    "I need someone real.", "Could somebody from the team write to me?",
)  # fmt: skip
ANGRY = (
    "This is ridiculous, nothing works here!", "I'm really angry. Third time I write!", "You people are useless.",
    "I'm fed up with this {trade}.", "That's a scandal! I want my money back.", "nobody ever answers, terrible service",
    "I am very disappointed with you.", "What a mess. I want to complain.", "I have been waiting for weeks!!",
    "worst {trade} ever", "This is the last time I come here.", "My {noun} is wrong again, I've had enough!",
)  # fmt: skip
CALM = (
    "I'm sorry about that. I'm getting a person for you.", "I understand, and I'm sorry. A colleague takes over now.",
    "I'm very sorry. Someone from the team will look at this with you.", "Sorry for the trouble. I'm passing this on.",
)  # fmt: skip
PASSED_ON = (
    "I'm passing this on to a colleague, who will answer you here.", "Sure, a person takes over now.",
    "A colleague has been told and will write to you.", "Of course. Somebody will be with you soon.",
)  # fmt: skip
OFFER = ("I'm sorry to hear that. Shall I get a person?", "I'm really sorry. Would you like to talk to a colleague?",
         "I understand that you are upset, and I'm sorry. Shall somebody look at it?")  # fmt: skip
ACCEPT = (
    "yes please",
    "yes",
    "Yes, do that",
    "ok, get someone",
    "sure",
    "please",
    "that would be good",
    "yeah go on",
)
