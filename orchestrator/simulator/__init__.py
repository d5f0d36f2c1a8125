"""A built-in stand-in for the providers: an ASGI app that speaks their three wire formats, without a key or a network.

    transport, server ─► app ─► scenario            which fault, if any, this request meets
                          │
                          ├──► wires                bytes ─► Ask, Reply ─► bytes, in each provider's own form
                          ├──► answers              Ask ─► what a model of that strength would say
                          ├──► faults               the script of a reply, as a fault leaves it
                          └──► journal              the bill

The same app is reached in process (`transport`) and over loopback (`server`).
"""
