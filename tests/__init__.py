"""Tests across the distributions, and what all of them need from the machine."""
