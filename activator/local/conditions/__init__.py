"""Whether the conditions and assertions of a unit hold on this machine."""
