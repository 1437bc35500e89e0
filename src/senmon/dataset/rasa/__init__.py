"""A Rasa bot's folder → a pack.

bot_files     which files of the folder are read
*_yaml, *_markdown, domain_file, settings_files
              one file's text → parts of a `Bot`; what is not carried over becomes a `Note`
bot           the bot as read: intents, examples, slots, forms, responses, stories
paths         stories with checkpoints, rules and forms put together → straight lists of steps
dialogue      one list of steps → one conversation
pack_plan     what the pack will hold; pack_writing writes it
"""
