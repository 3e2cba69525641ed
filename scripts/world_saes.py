FOLDERS = ("layers.2", "layers.3")
