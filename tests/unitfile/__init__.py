"""Tests of the room ``unitfile``."""
