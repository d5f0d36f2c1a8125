"""The forms of the APIs: how a request is read, and how replies, streams and errors are written."""
