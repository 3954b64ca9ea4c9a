"""What the tabs of one viewer share: images, patients, results. No Qt."""
