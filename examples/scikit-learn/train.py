"""Perceptrons of several widths learn the handwritten digits of scikit-learn, each from several seeds."""

import csv
import json

import numpy as np
from sklearn.datasets import load_digits
from sklearn.metrics import confusion_matrix
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

params = json.load(open("params.json"))

images, digits = load_digits(return_X_y=True)
split = train_test_split(images / 16, digits, test_size=0.25, random_state=0, stratify=digits)
train_images, test_images, train_digits, test_digits = split

confusion = np.zeros((10, 10))
with open("scores.csv", "w", newline="") as file:
    scores = csv.writer(file)
    scores.writerow(["width", "seed", "train", "test"])
    for width in params["widths"]:
        for seed in range(params["seeds"]):
            model = MLPClassifier((width,), learning_rate_init=0.01, max_iter=params["epochs"], tol=0, random_state=seed)
            model.fit(train_images, train_digits)
            train, test = model.score(train_images, train_digits), model.score(test_images, test_digits)
            scores.writerow([width, seed, train, test])
            print(f"width {width}, seed {seed}: {train:.3f} of the training digits, {test:.3f} of the others")
            confusion += confusion_matrix(test_digits, model.predict(test_images), labels=range(10))

np.savez("confusion.npz", share=confusion / confusion.sum(axis=1, keepdims=True))
