"""Deciding who a face is: enrolment, identification and verification, with one model."""
