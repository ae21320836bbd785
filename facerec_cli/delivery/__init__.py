"""Events for other programs: a command, a web hook, an MQTT broker. None of them ever delays who sends."""
