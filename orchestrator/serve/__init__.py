"""`orch serve`: OpenAI's and Anthropic's APIs for other programs, over one engine that stays open.

request ─► gate ─► wire.read ─► Asked ─► runs ─► engine ─► Reply ─► wire.whole | wire.stream ─► response
         (who may)              (options, conversation)
"""
