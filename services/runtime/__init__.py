"""What every process needs: the bus and the process itself."""
