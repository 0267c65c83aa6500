"""Mirrors the rooms; kafka/ runs on a real broker, flow/ in memory."""
