"""The examiner: counts the answers that are true, by the gifts that everybody could see."""


def _right(guest):
    transfers = query("events", type="transfer", limit=100)
    gifts = {(row["actor"], row["amount"]) for row in transfers if row["to"] == guest and row["amount"] > 1}
    answers = [row["text"] for row in query("recall", artifact=f"{guest}_answers", limit=100)]
    return sum(any(f"{giver} gave me {amount}" in answer for answer in answers) for giver, amount in gifts)


def witness():
    return _right("witness")


def stranger():
    return _right("stranger")
