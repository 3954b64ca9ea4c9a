"""Work that only a window holds, put aside so that it survives a crash."""
