def draw(path):
    return None
